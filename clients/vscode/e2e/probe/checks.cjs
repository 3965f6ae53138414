// Tests that run in the extension host, with VS Code's interface as the extension has it.
const assert = require("node:assert/strict");
const vscode = require("vscode");

const { takeMarks, untilMark } = require("./marks.cjs");

const ID = "midfill.midfill";
const AUTOMATIC = 2; // as the protocol counts

exports.explain = (count) => vscode.commands.executeCommand("midfill.explain", count);

/** How the language server says that it is. */
exports.status = () => vscode.commands.executeCommand("midfill.status");

/** Every command of the manifest is there once the extension runs. */
exports.checkCommands = async () => {
  const extension = vscode.extensions.getExtension(ID);
  assert.ok(extension?.isActive);
  const there = new Set(await vscode.commands.getCommands(true));
  const wanted = extension.packageJSON.contributes.commands.map((item) => item.command);
  assert.deepEqual(wanted.filter((name) => !there.has(name)), []);
};

/** What a workspace's settings.json has of programs and servers does not count. */
exports.checkSettings = () => {
  const midfill = vscode.workspace.getConfiguration("midfill");
  for (const name of ["server.path", "server.python", "engine.command", "backend.url"]) {
    assert.equal(midfill.inspect(name).workspaceValue, undefined, name);
    assert.notEqual(JSON.stringify(midfill.get(name)), '"/from/the/workspace"', name);
  }
  assert.equal(midfill.inspect("completion.candidates").workspaceValue, 5); // this it may
};

exports.isTrusted = () => vscode.workspace.isTrusted;

/** A key is answered from one question to the server, which was put before VS Code asked. */
exports.checkTyping = async (file, line, keys) => {
  const editor = await openAt(file, line);
  for (const key of keys) {
    takeMarks();
    await vscode.commands.executeCommand("type", { text: key });
    await untilMark({ step: "answered", version: editor.document.version });
  }
  const marks = takeMarks();
  assert.deepEqual(marks.map((mark) => mark.step).filter((step) => step !== "text").slice(0, 3), ["sent", "asked", "answered"]);
  const [sent] = marks.filter((mark) => mark.step === "sent");
  assert.ok(sent.isEarly);
  assert.equal(sent.triggerKind, AUTOMATIC);
};

/** Text that grows is asked for once, and never as if the user had. */
exports.checkGrowth = async (file, line, key) => {
  const editor = await openAt(file, line);
  takeMarks();
  await vscode.commands.executeCommand("type", { text: key });
  const { version } = editor.document;
  await untilMark({ step: "answered", version, isFinished: true });
  const marks = takeMarks().filter((mark) => mark.version === version);
  const answers = marks.filter((mark) => mark.step === "answered");
  assert.ok(answers.length >= 2, JSON.stringify(marks));
  assert.deepEqual(marks.filter((mark) => mark.step === "sent").map((mark) => mark.triggerKind), [AUTOMATIC]);
};

/** Accepting a suggestion is one edit, and the server counts it, also while the text still grows. */
exports.checkAccepting = async (file, line, key, isFinished) => {
  const { document } = await openAt(file, line);
  const { shown, accepted } = await events();
  takeMarks();
  await vscode.commands.executeCommand("type", { text: key });
  const before = { text: document.getText(), version: document.version };
  await untilMark({ step: "answered", version: before.version, isFinished });
  const changed = new Promise((resolve) => vscode.workspace.onDidChangeTextDocument(resolve));
  while (document.version === before.version) {
    await vscode.commands.executeCommand("editor.action.inlineSuggest.commit"); // once it is drawn
  }
  const { contentChanges } = await changed;
  assert.equal(contentChanges.length, 1);
  assert.ok(document.getText().length > before.text.length);
  // Behind what was accepted there may be a suggestion again: each place that had one is told once.
  const marks = [];
  for (let told; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    told = await events();
    marks.push(...takeMarks());
    const versions = new Set(marks.filter((mark) => mark.numItems > 0).map((mark) => mark.version));
    assert.ok(told.shown - shown <= versions.size, JSON.stringify({ shown, told, marks }));
    if (told.accepted > accepted && told.shown - shown === versions.size) {
      assert.equal(told.accepted, accepted + 1);
      break;
    }
  }
};

/** Inserts a snippet where the cursor is now; where the extension host saw it last may be another place. */
exports.insertSnippet = (snippet) =>
  vscode.commands.executeCommand("editor.action.insertSnippet", { snippet });

exports.selectedText = () => {
  const { document, selection } = vscode.window.activeTextEditor;
  return document.getText(selection);
};

/** Offers an item in the pop-up menu of files with this name. */
exports.offerItem = (file, label) => {
  vscode.languages.registerCompletionItemProvider({ pattern: `**/${file}` }, {
    provideCompletionItems: () => [new vscode.CompletionItem(label)],
  });
};

async function events() {
  const { metrics } = await vscode.commands.executeCommand("midfill.status");
  return { shown: 0, accepted: 0, ...metrics.events };
}

async function openAt(file, line) {
  const [folder] = vscode.workspace.workspaceFolders;
  const editor = await vscode.window.showTextDocument(vscode.Uri.joinPath(folder.uri, file));
  const end = editor.document.lineAt(line - 1).range.end;
  editor.selection = new vscode.Selection(end, end);
  return editor;
}
