--- Which buffers the language server gets to know, and as what language.

local M = {}

local api = vim.api
local language_ids = {
  sh = 'shellscript',
  bash = 'shellscript',
  zsh = 'shellscript',
  cs = 'csharp',
  make = 'makefile',
  ps1 = 'powershell',
  tex = 'latex',
  text = 'plaintext',
  [''] = 'plaintext',
}

--- Return the protocol's name of a file type.
---@param filetype string
---@return string
function M.language_id(filetype)
  return language_ids[filetype] or filetype
end

--- Return another buffer without a name that is known, if this one has none either: all of them
--- have one URI.
---@param buf integer
---@param client? vim.lsp.Client
---@return integer?
function M.other_without_name(buf, client)
  if api.nvim_buf_get_name(buf) ~= '' then
    return nil
  end
  for other in pairs(client and client.attached_buffers or {}) do
    if other ~= buf and api.nvim_buf_is_loaded(other) and api.nvim_buf_get_name(other) == '' then
      return other
    end
  end
  return nil
end

--- Whether a buffer is one to complete in.
---@param buf integer
---@param options midfill.Options
---@return boolean
function M.is_wanted(buf, options)
  if not api.nvim_buf_is_loaded(buf) or vim.bo[buf].buftype ~= '' or not vim.bo[buf].buflisted then
    return false
  end
  local is_wanted = options.filetypes[vim.bo[buf].filetype]
  if is_wanted == nil then
    is_wanted = options.filetypes['*'] == true
  end
  local num_bytes = api.nvim_buf_get_offset(buf, api.nvim_buf_line_count(buf))
  return is_wanted and num_bytes <= options.max_file_bytes
end

return M
