// SPDX-License-Identifier: BSD-3-Clause
//
// A graph of LangGraph itself on the server at CAIRN_ADDRESS: it runs, is interrupted, goes on over a
// new connection, has a history, is changed in the past and forgotten.
import { Annotation, Command, END, START, StateGraph, interrupt } from "@langchain/langgraph";
import { Connection } from "./rpc.mjs";
import { CairnSaver } from "./saver.mjs";

const [host, port] = process.env.CAIRN_ADDRESS.split(" ");
const run = `graph-${process.pid}`;
const opened = [];

const State = Annotation.Root({
  question: Annotation(),
  notes: Annotation({ reducer: (old, more) => old.concat(more), default: () => [] }),
});

async function agent() {
  const connection = await Connection.open(host, Number(port));
  opened.push(connection);
  await connection.call("run.use", run);
  return new StateGraph(State)
    .addNode("think", ({ question }) => ({ notes: [`thought about ${question}`] }))
    .addNode("ask", () => ({ notes: [`was told ${interrupt("may I?")}`] }))
    .addEdge(START, "think")
    .addEdge("think", "ask")
    .addEdge("ask", END)
    .compile({ checkpointer: new CairnSaver(connection) });
}

async function history(graph, config) {
  const found = [];
  for await (const state of graph.getStateHistory(config)) found.push(state);
  return found;
}

afterAll(async () => {
  await opened[0].call("run.drop", run);
  opened.forEach((connection) => connection.close());
});

it("goes on where it was interrupted, also in another process", async () => {
  const config = { configurable: { thread_id: "t1" } };
  const stopped = await (await agent()).invoke({ question: "cairns" }, config);
  expect(stopped.notes).toEqual(["thought about cairns"]);
  const other = await agent();
  expect((await other.getState(config)).next).toEqual(["ask"]);
  const ended = await other.invoke(new Command({ resume: "yes" }), config);
  expect(ended.notes).toEqual(["thought about cairns", "was told yes"]);
  expect((await other.getState(config)).next).toEqual([]);
});

it("has a history, and a past that can be changed", async () => {
  const config = { configurable: { thread_id: "t2" } };
  const graph = await agent();
  await graph.invoke({ question: "stones" }, config);
  await graph.invoke(new Command({ resume: "no" }), config);
  const states = await history(graph, config);
  expect(states.map((state) => state.values.notes?.length ?? 0)).toEqual([2, 1, 0, 0]);
  const forked = await graph.updateState(states[1].config, { notes: ["changed"] });
  const after = await graph.invoke(new Command({ resume: "perhaps" }), forked);
  expect(after.notes).toEqual(["thought about stones", "changed", "was told perhaps"]);
  expect((await graph.getState(states[0].config)).values).toEqual(states[0].values);
});

it("forgets one thread and no other", async () => {
  const graph = await agent();
  const config = { configurable: { thread_id: "t3" } };
  await graph.invoke({ question: "moss" }, config);
  await graph.checkpointer.deleteThread("t3");
  expect(await history(graph, config)).toEqual([]);
  expect(await history(graph, { configurable: { thread_id: "t1" } })).not.toEqual([]);
});
