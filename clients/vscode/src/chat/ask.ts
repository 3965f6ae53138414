/** Asks the language server: `midfill/chat`. */

import * as vscode from "vscode";
import { LSPErrorCodes, ProgressType, ResponseError, type LanguageClient } from "vscode-languageclient/node";

import type { Attachment } from "./attachments";
import type { Asking } from "./chat";
import { spanOf } from "./history";
import type { Answered, Block, Message, Place } from "./turns";

const PROGRESS = new ProgressType<{ content: string }>();

/** What of a reply's block is used; docs/protocol.md has all of it. */
interface ReplyBlock {
  readonly startLine: number;
  readonly uri?: string;
  readonly range?: unknown;
  readonly newText?: string;
}

interface Reply {
  readonly content: string;
  readonly notes: readonly string[];
  readonly blocks: readonly ReplyBlock[];
}

let counter = 0;

/**
 * Sends a question; the answer's promise is rejected with a sentence for the user.
 *
 * @param findClient waits for a server that starts, and rejects with such a sentence if there is none.
 */
export function ask(
  findClient: () => Promise<LanguageClient>,
  messages: readonly Message[],
  about: readonly Attachment[],
  onText: (text: string) => void,
): Asking {
  const cancel = new vscode.CancellationTokenSource();
  const partialResultToken = `chat-${++counter}`;
  const send = async (client: LanguageClient): Promise<Answered> => {
    const progress = client.onProgress(PROGRESS, partialResultToken, ({ content }) => {
      onText(content);
    });
    try {
      const context = await Promise.all(about.map((attachment) => contextOf(client, attachment)));
      const params = { messages, context, partialResultToken };
      const reply = await client.sendRequest<Reply>("midfill/chat", params, cancel.token);
      const blocks = await Promise.all(reply.blocks.map((block) => blockOf(client, block)));
      return { content: reply.content, notes: reply.notes, blocks };
    } catch (error) {
      throw new Error(wordsOf(error));
    } finally {
      progress.dispose();
    }
  };
  const sendOnceThere = async (): Promise<Answered> => {
    const client = await findClient();
    if (cancel.token.isCancellationRequested) throw new vscode.CancellationError();
    return send(client);
  };
  return {
    answer: sendOnceThere(),
    cancel: () => {
      cancel.cancel();
    },
  };
}

/** The server knows a document while it is open. */
async function contextOf(client: LanguageClient, { uri, range }: Attachment): Promise<object> {
  await vscode.workspace.openTextDocument(uri);
  return { uri: client.code2ProtocolConverter.asUri(uri), ...(range && { range }) };
}

async function blockOf(client: LanguageClient, block: ReplyBlock): Promise<Block> {
  return { startLine: block.startLine, place: await placeOf(client, block) };
}

async function placeOf(client: LanguageClient, block: ReplyBlock): Promise<Place | null> {
  const range = spanOf(block.range);
  if (block.uri === undefined || block.newText === undefined || !range) return null;
  const uri = client.protocol2CodeConverter.asUri(block.uri);
  const document = await vscode.workspace.openTextDocument(uri);
  const before = document.getText(client.protocol2CodeConverter.asRange(range));
  return { uri: uri.toString(), range, before, newText: block.newText };
}

/** A question that the server cancels by itself was under way when the model was changed. */
export function wordsOf(error: unknown): string {
  if (error instanceof ResponseError && error.code === LSPErrorCodes.RequestCancelled) {
    return "The model or the server was changed meanwhile: try again.";
  }
  return error instanceof Error ? error.message : String(error);
}
