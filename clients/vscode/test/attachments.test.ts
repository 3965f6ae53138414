import { expect, test } from "vitest";

import { Attachments } from "../src/chat/attachments";
import { TextDocument } from "./document";
import { Range, TabInputTextDiff, tabsChanged, Uri, window } from "./vscode";

test("a file on either side of a diff goes along until the diff is closed", () => {
  // Only the left side counted, and a diff of git has the file on its right.
  const uri = new Uri("file", "/b.py");
  const [tabs = []] = window.tabGroups.all.map((group) => group.tabs);
  window.activeTextEditor = { document: new TextDocument(uri, ""), selection: new Range(0, 0, 0, 0) };
  const attachments = new Attachments();
  const other = new Uri("git", "/b.py");
  for (const input of [new TabInputTextDiff(other, uri), new TabInputTextDiff(uri, other)]) {
    tabs.splice(0, tabs.length, { input });
    tabsChanged.fire({ closed: [] });
    expect(attachments.chips.sent.map(({ label }) => label)).toEqual(["b.py"]);
  }
  const closed = tabs.splice(0);
  tabsChanged.fire({ closed });
  expect(attachments.chips.sent).toEqual([]);
});
