--- The workspace folders of the language server: the project of every buffer that it knows, told as
--- the buffers come. Called by `server`.

local wire = require('midfill.wire')

local M = {}

--- Return the folder of the project that a buffer's file belongs to, the working directory where
--- nothing marks one; nil for a buffer without a name, which belongs to none.
---@param buf integer
---@param markers string[]
---@return string?
function M.of(buf, markers)
  if vim.api.nvim_buf_get_name(buf) == '' then
    return nil
  end
  local folder = vim.fs.root(buf, markers) or vim.fn.getcwd()
  return vim.fs.normalize(folder, { expand_env = false })
end

---@param client vim.lsp.Client
---@param folder string
---@return boolean
local function is_known(client, folder)
  return vim.iter(client.workspace_folders or {}):any(function(known)
    local inside = known.name:gsub('/*$', '/')
    return vim.startswith(folder .. '/', inside)
  end)
end

---@param client vim.lsp.Client
---@param added lsp.WorkspaceFolder[]
local function tell(client, added)
  local params = { event = { added = added, removed = {} } }
  wire.call(client, 'notify', 'workspace/didChangeWorkspaceFolders', params)
end

--- Make a folder one of the workspace's, unless it lies in one, or no server runs.
---@param folder? string nil is none
function M.add(folder)
  local client = wire.client()
  if not client or not folder or is_known(client, folder) then
    return
  end
  local added = { uri = vim.uri_from_fname(folder), name = folder }
  client.workspace_folders = vim.list_extend(client.workspace_folders or {}, { added })
  if client.initialized then
    tell(client, { added })
  end
end

--- Tell the server the folders that came while it started, when it was given its root alone.
---@param client vim.lsp.Client
function M.tell_late(client)
  local late = vim.tbl_filter(function(folder)
    return folder.name ~= client.root_dir
  end, client.workspace_folders or {})
  if #late > 0 then
    tell(client, late)
  end
end

return M
