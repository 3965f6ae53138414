import { expect, test } from "vitest";

import { StatisticsPage } from "../src/report/page";
import { documents, type Uri } from "./vscode";

test("the statistics are one page, which is shown again with other numbers", async () => {
  // Each call opened another document, which was to be saved when it was closed.
  const page = new StatisticsPage();
  const changed: string[] = [];
  page.onDidChange((uri) => {
    documents.set((uri as unknown as Uri).toString(), {});
    changed.push(uri.toString());
  });
  await page.show("first");
  await page.show("second");
  expect(page.provideTextDocumentContent()).toBe("second");
  expect(new Set(changed).size).toBe(1);
});
