/** Shows the statistics: a page that cannot be edited, and is the same one each time. */

import * as vscode from "vscode";

const SCHEME = "midfill-statistics";
const ADDRESS = vscode.Uri.from({ scheme: SCHEME, path: "/Midfill statistics.md" });

export class StatisticsPage implements vscode.TextDocumentContentProvider {
  private text = "";
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  readonly onDidChange = this.changed.event;

  /** Lets VS Code read the page; it does until what is returned is disposed of. */
  register(): vscode.Disposable {
    return vscode.workspace.registerTextDocumentContentProvider(SCHEME, this);
  }

  provideTextDocumentContent(): string {
    return this.text;
  }

  /** Brings the page in front with another text. */
  async show(text: string): Promise<void> {
    this.text = text;
    this.changed.fire(ADDRESS);
    const document = await vscode.workspace.openTextDocument(ADDRESS);
    await vscode.window.showTextDocument(document, { preview: true });
  }
}
