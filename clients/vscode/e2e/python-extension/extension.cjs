// Stands for the Python extension: the environment that it has chosen is the workspace's .venv.
const path = require("node:path");
const vscode = require("vscode");

exports.activate = () => ({
  environments: {
    getActiveEnvironmentPath: () => ({ path: ".venv" }),
    resolveEnvironment: () => {
      const [folder] = vscode.workspace.workspaceFolders;
      const python = path.join(folder.uri.fsPath, ".venv", "bin", "python");
      return Promise.resolve({ executable: { uri: vscode.Uri.file(python) } });
    },
  },
});
