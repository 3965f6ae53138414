/** Chooses who answers, and with which model; both are settings of the user's. */

import * as vscode from "vscode";

import { serverUrl } from "./settings";

const RECENT = "recentModels";
const NUM_RECENT = 5;

/** Asks for the model and sets it. */
export async function chooseModel(memory: vscode.Memento): Promise<void> {
  const kind = vscode.workspace.getConfiguration("midfill.backend").get<string>("kind", "engine");
  const group = kind === "engine" ? "engine" : "backend";
  const settings = vscode.workspace.getConfiguration(`midfill.${group}`);
  const current = settings.get<string | null>("model");
  const model = group === "engine" ? await askEngineModel(memory, current) : await askId(current);
  if (model === undefined) return;
  const recent = memory.get<string[]>(RECENT, []).filter((name) => name !== model);
  if (model !== "starter") await memory.update(RECENT, [model, ...recent].slice(0, NUM_RECENT));
  await settings.update("model", model, vscode.ConfigurationTarget.Global);
}

/** Asks who answers and sets it, with the server's address where it is another. */
export async function chooseBackend(): Promise<void> {
  const settings = vscode.workspace.getConfiguration("midfill.backend");
  const current = settings.get<string>("kind", "engine");
  const kinds = [
    { id: "engine", label: "My own machine", detail: "Midfill's engine" },
    { id: "tgi", label: "Hugging Face", detail: "router, Inference Endpoint or a TGI server" },
    { id: "openai", label: "OpenAI's interface", detail: "OpenAI, Mistral, DeepSeek, vLLM, …" },
    { id: "llamacpp", label: "llama.cpp", detail: "a llama-server" },
    { id: "ollama", label: "Ollama", detail: "on this machine or another" },
  ].map((item) => (item.id === current ? { ...item, description: "in use" } : item));
  const picked = await vscode.window.showQuickPick(kinds, { title: "Who answers?" });
  if (!picked) return;
  const usual = serverUrl(picked.id, null);
  let url: string | undefined;
  if (usual !== undefined) {
    url = await vscode.window.showInputBox({
      title: `${picked.label}: the server's address`,
      prompt: "Your code is sent there.",
      value: (picked.id === current ? settings.get<string | null>("url") : null) ?? usual,
      validateInput: (value) => (/^https?:\/\/\S+$/.test(value) ? undefined : "https:// or http:// and a host"),
    });
    if (url === undefined) return;
  }
  const target = vscode.ConfigurationTarget.Global;
  await settings.update("url", url === usual ? undefined : url, target);
  if (picked.id !== current) await settings.update("model", undefined, target);
  await settings.update("kind", picked.id === "engine" ? undefined : picked.id, target);
}

async function askEngineModel(
  memory: vscode.Memento,
  current: string | null | undefined,
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

function askId(current: string | null | undefined): Thenable<string | undefined> {
  return vscode.window.showInputBox({
    title: "The model's id",
    value: current ?? "",
    placeHolder: "owner/name",
    validateInput: (value) => (value.trim() === "" ? "An id, such as owner/name" : undefined),
  });
}
