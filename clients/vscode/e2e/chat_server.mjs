// A server that chats and completes as OpenAI's does, with answers that a test writes. A question
// without one, such as the language server's look at it, gets an empty answer.
import { once } from "node:events";
import { createServer } from "node:http";

export class ChatServer {
  static async start() {
    const made = new ChatServer();
    made.http.listen(0, "127.0.0.1");
    await once(made.http, "listening");
    made.url = `http://127.0.0.1:${made.http.address().port}`;
    return made;
  }

  constructor() {
    this.answers = [];
    this.asked = [];
    this.paths = [];
    this.numAborted = 0;
    /** What stands in every hole; undefined where it only chats. */
    this.completion = undefined;
    this.http = createServer((request, response) => void this.take(request, response));
  }

  /**
   * Writes what a question that matches is answered: pieces, each sent when the one before it is
   * there; after the first, `open` is waited for if the answer is gated.
   */
  answer(question, pieces, { gated = false } = {}) {
    let open;
    const gate = new Promise((resolve) => (open = resolve));
    if (!gated) open();
    this.answers.unshift({ question, pieces, gate });
    return { open };
  }

  async close() {
    this.http.closeAllConnections();
    this.http.close();
    await once(this.http, "close");
  }

  async take(request, response) {
    this.paths.push(request.url);
    let text = "";
    for await (const piece of request) text += piece;
    if (request.url === "/v1/models") return reply(response, 200, { data: [{ id: "chatty" }] });
    if (request.url === "/v1/completions" && this.completion !== undefined) {
      const choices = [{ index: 0, text: this.completion, finish_reason: "stop" }];
      return reply(response, 200, { choices, usage: { prompt_tokens: 100 } });
    }
    if (request.url !== "/v1/chat/completions") return reply(response, 404, { error: { message: "not here" } });
    const { messages } = JSON.parse(text);
    const said = messages.at(-1).content;
    this.asked.push(messages);
    const { pieces, gate } = this.answers.find(({ question }) => question.test(said)) ?? { pieces: [] };
    const gone = once(response, "close").then(() => {
      if (!response.writableFinished) this.numAborted += 1;
    });
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const [idx, piece] of pieces.entries()) {
      if (idx > 0) await Promise.race([gate, gone]);
      if (response.destroyed) return;
      response.write(event({ content: piece }, null));
    }
    response.end(`${event({}, "stop")}data: [DONE]\n\n`);
  }
}

function event(delta, reason) {
  const choice = { index: 0, delta, finish_reason: reason };
  return `data: ${JSON.stringify({ object: "chat.completion.chunk", choices: [choice] })}\n\n`;
}

function reply(response, status, value) {
  response.writeHead(status, { "content-type": "application/json" });
  response.end(JSON.stringify(value));
}
