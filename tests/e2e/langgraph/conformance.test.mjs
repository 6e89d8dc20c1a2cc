// SPDX-License-Identifier: BSD-3-Clause
//
// The conformance suite of LangGraph for checkpoint savers, on the server at CAIRN_ADDRESS. Each saver
// has a run (a namespace) of its own. The name must be one that the suite does not know: for some
// known ones it skips tests.
import { deltaChannelHistoryTests, validate } from "@langchain/langgraph-checkpoint-validation";
import { Connection } from "./rpc.mjs";
import { CairnSaver } from "./saver.mjs";

const [host, port] = process.env.CAIRN_ADDRESS.split(" ");
let runs = 0;

const initializer = {
  checkpointerName: "cairn",
  async createCheckpointer() {
    const connection = await Connection.open(host, Number(port));
    const saver = new CairnSaver(connection);
    saver.run = `conformance-${process.pid}-${++runs}`;
    await connection.call("run.use", saver.run);
    return saver;
  },
  async destroyCheckpointer(saver) {
    await saver.connection.call("run.drop", saver.run);
    saver.connection.close();
  },
};

validate(initializer);
deltaChannelHistoryTests(initializer);
