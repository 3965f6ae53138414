/** The frame of the chat's page; all else in it the script makes. Pure. */

export interface PageParts {
  /** Where VS Code serves the extension's files from. */
  readonly source: string;
  readonly script: string;
  readonly style: string;
  readonly nonce: string;
}

/** Returns the HTML: one script, by its nonce, one style sheet, and nothing from anywhere else. */
export function page({ source, script, style, nonce }: PageParts): string {
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${source}`,
    "base-uri 'none'",
    "form-action 'none'",
  ].join("; ");
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${style}">
<title>Midfill</title>
</head>
<body>
<main id="log" role="log" aria-label="Conversation" tabindex="0"></main>
<form id="form">
<ul id="chips" aria-label="Goes along with the question"></ul>
<textarea id="question" rows="2" aria-label="Question" placeholder="Ask about code, or /explain, /fix, /tests, /doc"></textarea>
<div class="row"><span class="hint">Enter sends, Shift+Enter begins a line</span><button id="send" type="submit">Send</button></div>
</form>
<div id="announcer" role="status" class="unseen"></div>
<script nonce="${nonce}" src="${script}"></script>
</body>
</html>
`;
}
