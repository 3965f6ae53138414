/** Chooses who answers, and with which model; both are settings of the user's. */

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import { heldSettings, type Held } from "./held";
import { serverUrl } from "./settings";

const RECENT = "recentModels";
const NUM_RECENT = 5;

const SERVERS = [
  { id: "engine", label: "My own machine", detail: "Midfill's engine" },
  { id: "tgi", label: "Hugging Face", detail: "router, Inference Endpoint or a TGI server" },
  { id: "openai", label: "OpenAI's interface", detail: "OpenAI, Mistral, DeepSeek, vLLM, …" },
  { id: "llamacpp", label: "llama.cpp", detail: "a llama-server" },
  { id: "ollama", label: "Ollama", detail: "on this machine or another" },
];

/** Asks for the model of who answers now, and sets it. */
export async function chooseModel(client: LanguageClient, memory: vscode.Memento): Promise<void> {
  const held = await heldSettings(client);
  const group = held["backend.kind"].value === "engine" ? "engine" : "backend";
  const current = held[`${group}.model`].value;
  const model = group === "engine" ? await askEngineModel(memory, current) : await askId(current);
  if (model === undefined) return;
  const recent = memory.get<string[]>(RECENT, []).filter((name) => name !== model);
  if (model !== "starter") await memory.update(RECENT, [model, ...recent].slice(0, NUM_RECENT));
  await set(`${group}.model`, model);
}

/** Asks who answers and sets it, with address and model where it is a server. */
export async function chooseBackend(client: LanguageClient): Promise<void> {
  const held = await heldSettings(client);
  const current = held["backend.kind"].value;
  const kinds = SERVERS.map((item) => (item.id === current ? { ...item, description: "in use" } : item));
  const picked = await vscode.window.showQuickPick(kinds, { title: "Who answers?" });
  if (!picked) return;
  const isOther = picked.id !== current;
  const usual = serverUrl(picked.id, null);
  if (usual !== undefined) {
    const heldUrl = held["backend.url"].value ?? usual;
    const heldModel = held["backend.model"].value;
    const url = await askUrl(picked.label, isOther ? usual : heldUrl);
    if (url === undefined) return;
    // No setting says "none": a model that the file names would hold at the new server too.
    const model = isOther && heldModel !== null ? await askId(null) : heldModel;
    if (model === undefined) return;
    // The kind comes last, or the new one would speak to the old address for a moment.
    if (url !== heldUrl) await set("backend.url", url);
    if (model !== heldModel) await set("backend.model", model);
  }
  if (isOther) await set("backend.kind", picked.id);
}

function set(name: keyof Held, value: unknown): Thenable<void> {
  return vscode.workspace.getConfiguration("midfill").update(name, value, vscode.ConfigurationTarget.Global);
}

function askUrl(label: string, proposed: string): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: `${label}: the server's address`,
    prompt: "Your code is sent there.",
    value: proposed,
    validateInput: (value) => (/^https?:\/\/\S+$/.test(value) ? undefined : "https:// or http:// and a host"),
  });
}

async function askEngineModel(
  memory: vscode.Memento,
  current: string | null,
): Promise<string | undefined> {
  const known = ["starter", ...memory.get<string[]>(RECENT, [])];
  const items = known.map((label) => ({
    label,
    description: label === current ? "in use" : label === "starter" ? "comes with Midfill" : "",
  }));
  const folder = { label: "$(folder) A folder…", description: "in the Hugging Face format" };
  const hub = { label: "$(cloud) A Hub id…", description: "owner/name; the engine downloads it" };
  const picked = await vscode.window.showQuickPick([...items, folder, hub], {
    title: "Which model shall the engine run?",
  });
  if (picked === folder) {
    const chosen = await vscode.window.showOpenDialog({
      canSelectFolders: true,
      canSelectFiles: false,
      title: "The model's folder",
      openLabel: "Use This Model",
    });
    return chosen?.[0]?.fsPath;
  }
  return picked === hub ? askId(current) : picked?.label;
}

function askId(current: string | null): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: "The model's id",
    value: current ?? "",
    placeHolder: "owner/name",
    validateInput: (value) => (value.trim() === "" ? "An id, such as owner/name" : undefined),
  });
}
