// SPDX-License-Identifier: BSD-3-Clause
//
// A checkpoint saver for LangGraph over five operations: ckpt.save, ckpt.put_writes, ckpt.get,
// ckpt.list, ckpt.session_delete. A thread is a session; each method is one round trip.
import {
  BaseCheckpointSaver,
  TASKS,
  WRITES_IDX_MAP,
  maxChannelVersion,
} from "@langchain/langgraph-checkpoint";

const PAGE = 100;

/** str or bin, as text. */
function text(value) {
  return typeof value === "string" ? value : new TextDecoder().decode(value);
}

function configurable(thread_id, checkpoint_ns, checkpoint_id) {
  return { configurable: { thread_id, checkpoint_ns, checkpoint_id } };
}

/** What is given of an object, so that no option is sent as undefined. */
function given(options) {
  return Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined));
}

export class CairnSaver extends BaseCheckpointSaver {
  constructor(connection, serde) {
    super(serde);
    this.connection = connection;
  }

  /**
   * A version must name one value for ever, since a blob that exists is kept: with numbers alone, as in
   * the base class, two branches of a thread would give the same version to different values. Order is
   * that of the number in front.
   */
  getNextVersion(current) {
    const next = current === undefined ? 1 : parseInt(current, 10) + 1;
    return `${String(next).padStart(32, "0")}.${Math.random().toFixed(16).slice(2)}`;
  }

  call(verb, ...params) {
    return this.connection.call(`ckpt.${verb}`, ...params);
  }

  async put(config, checkpoint, metadata, newVersions) {
    const { thread_id, checkpoint_ns = "", checkpoint_id } = config.configurable ?? {};
    if (thread_id === undefined) throw new Error("put: configurable.thread_id is missing");
    const { channel_values, ...rest } = checkpoint;
    const changed = Object.entries(newVersions).filter(([channel]) => channel in channel_values);
    const blobs = changed.map(async ([channel, version]) => [
      channel,
      version,
      ...(await this.serde.dumpsTyped(channel_values[channel])),
    ]);
    await this.call("save", thread_id, null, given({
      ns: checkpoint_ns,
      id: checkpoint.id,
      parent: checkpoint_id,
      metadata: JSON.parse(JSON.stringify(metadata)), // a plain map, so that list can filter by it
      checkpoint: await this.serde.dumpsTyped(rest),
      channel_versions: Object.entries(checkpoint.channel_versions),
      blobs: await Promise.all(blobs),
    }));
    return configurable(thread_id, checkpoint_ns, checkpoint.id);
  }

  async putWrites(config, writes, taskId) {
    const { thread_id, checkpoint_ns = "", checkpoint_id } = config.configurable ?? {};
    if (thread_id === undefined) throw new Error("putWrites: configurable.thread_id is missing");
    if (checkpoint_id === undefined)
      throw new Error("putWrites: configurable.checkpoint_id is missing");
    const items = writes.map(async ([channel, value], index) => [
      WRITES_IDX_MAP[channel] ?? index,
      channel,
      ...(await this.serde.dumpsTyped(value)),
    ]);
    const overwrite = writes.every(([channel]) => channel in WRITES_IDX_MAP);
    await this.call("put_writes", thread_id, checkpoint_ns, checkpoint_id, taskId,
                    await Promise.all(items), { overwrite });
  }

  async getTuple(config) {
    const { thread_id, checkpoint_ns = "", checkpoint_id } = config.configurable ?? {};
    if (thread_id === undefined) return undefined;
    const found = await this.call("get", thread_id, given({ ns: checkpoint_ns, id: checkpoint_id }));
    return found === null ? undefined : this.#tuple(found);
  }

  async *list(config, { limit = Infinity, before, filter } = {}) {
    const { thread_id, checkpoint_ns, checkpoint_id } = config.configurable ?? {};
    let left = limit;
    let cursor;
    while (left > 0) {
      const page = await this.call("list", given({
        session: thread_id,
        ns: checkpoint_ns,
        before: before?.configurable?.checkpoint_id,
        filter,
        limit: Math.min(left, PAGE),
        cursor,
        with_state: true,
      }));
      for (const found of page.items) {
        if (checkpoint_id !== undefined && text(found.id) !== checkpoint_id) continue;
        yield await this.#tuple(found);
        left--;
      }
      if (page.cursor === null || page.cursor === undefined) return;
      cursor = page.cursor;
    }
  }

  async deleteThread(threadId) {
    await this.call("session_delete", threadId);
  }

  /** A checkpoint as get and list return it, in the form of LangGraph. */
  async #tuple(found) {
    const [thread_id, ns, id] = [found.session, found.ns, found.id].map(text);
    const checkpoint = await this.#load(found.checkpoint);
    checkpoint.channel_values = {};
    for (const [channel, , ...typed] of found.blobs)
      checkpoint.channel_values[text(channel)] = await this.#load(typed);
    const tuple = {
      config: configurable(thread_id, ns, id),
      checkpoint,
      metadata: found.metadata,
      pendingWrites: await Promise.all(found.writes.map(async ([task, , channel, ...typed]) => [
        text(task),
        text(channel),
        await this.#load(typed),
      ])),
    };
    if (found.parent === null) return tuple;
    tuple.parentConfig = configurable(thread_id, ns, text(found.parent));
    if (checkpoint.v < 4) await this.#migratePendingSends(checkpoint, tuple.parentConfig);
    return tuple;
  }

  /** Checkpoints before version 4 have the tasks in the writes of their parent. */
  async #migratePendingSends(checkpoint, parentConfig) {
    const parent = await this.getTuple(parentConfig);
    const sends = (parent?.pendingWrites ?? []).filter(([, channel]) => channel === TASKS);
    const versions = Object.values(checkpoint.channel_versions);
    checkpoint.channel_values[TASKS] = sends.map(([, , value]) => value);
    checkpoint.channel_versions[TASKS] =
      versions.length > 0 ? maxChannelVersion(...versions) : this.getNextVersion(undefined);
  }

  #load([type, bytes]) {
    return this.serde.loadsTyped(text(type), bytes);
  }
}
