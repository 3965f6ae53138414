import { beforeEach, expect, test } from "vitest";
import type { LanguageClient } from "vscode-languageclient/node";

import { chooseBackend, chooseModel } from "../src/model";
import { settings, user } from "./vscode";

const DEFAULTS = { "engine.model": "starter", "backend.kind": "engine", "backend.url": null, "backend.model": null };

/** A language server whose user has a `midfill.toml`; VS Code's settings are laid over it. */
class Server {
  constructor(private readonly file: Record<string, unknown>) {}

  holds(name: string): unknown {
    return settings.get(`midfill.${name}`) ?? this.file[name] ?? DEFAULTS[name as keyof typeof DEFAULTS];
  }

  readonly client = {
    sendRequest: () => {
      const told = Object.keys(DEFAULTS).map((name) => [name, { value: this.holds(name), from: "?" }]);
      return Promise.resolve({ settings: Object.fromEntries(told) as unknown });
    },
  } as unknown as LanguageClient;
}

const memory = { keys: () => [], get: (_: string, none: unknown) => none, update: () => Promise.resolve() } as never;

const REMOTE = { "backend.kind": "openai", "backend.url": "https://gpu.example.com/v1" };

beforeEach(() => {
  settings.clear();
  user.answers.length = 0;
});

test("a server's usual place is set where the user's file names another", async () => {
  // A default was removed from VS Code's settings, so that the file's held: code went to its server.
  const server = new Server(REMOTE);
  user.picks("Ollama");
  user.takesProposed();
  await chooseBackend(server.client);
  expect(server.holds("backend.kind")).toBe("ollama");
  expect(server.holds("backend.url")).toBe("http://127.0.0.1:11434");
});

test("the own machine is set where the user's file names a server", async () => {
  const server = new Server(REMOTE);
  user.picks("My own machine");
  await chooseBackend(server.client);
  expect(server.holds("backend.kind")).toBe("engine");
});

test("a model that the user's file names is not asked of another server", async () => {
  const server = new Server({ ...REMOTE, "backend.model": "big" });
  user.picks("Ollama");
  user.takesProposed();
  user.writes("qwen2.5-coder");
  await chooseBackend(server.client);
  expect(server.holds("backend.model")).toBe("qwen2.5-coder");
});

test("another address of the same kind keeps the model, and begins with the one that holds", async () => {
  const server = new Server({ ...REMOTE, "backend.model": "big" });
  user.picks("OpenAI's interface");
  user.answers.push(({ value }) => value?.replace("gpu", "cpu"));
  await chooseBackend(server.client);
  expect([...settings]).toEqual([["midfill.backend.url", "https://cpu.example.com/v1"]]);
});

test("what holds already is not written", async () => {
  const server = new Server({});
  user.picks("Ollama");
  user.takesProposed();
  await chooseBackend(server.client);
  expect([...settings]).toEqual([["midfill.backend.kind", "ollama"]]);
});

test("who stops halfway changes nothing", async () => {
  const server = new Server({ ...REMOTE, "backend.model": "big" });
  user.picks("Ollama");
  user.takesProposed();
  user.answers.push(() => undefined);
  await chooseBackend(server.client);
  expect([...settings]).toEqual([]);
});

test.each([
  [REMOTE, () => user.writes("other"), "backend.model", "other"],
  [{ "engine.model": "big" }, () => user.picks("starter"), "engine.model", "starter"],
])("the model is that of who answers by the user's file: %o", async (file, says, name, model) => {
  const server = new Server(file);
  says();
  await chooseModel(server.client, memory);
  expect([...settings]).toEqual([[`midfill.${name}`, model]]);
});
