--- Follows the buffers that Neovim follows no longer.
---
--- Neovim tells a server of no change in a buffer any more once it was edited while no client knew
--- it (between two names, taken back for a while, after the server's end), though it opens it for
--- the next client (vim/lsp.lua, `buf_attach`: its callback has ended, its note of it stays). Such a
--- buffer is told here, as a whole.

local wire = require('midfill.wire')

local M = {}

local api = vim.api
local line_ends = { unix = '\n', dos = '\r\n', mac = '\r' }
local watched = {} ---@type table<integer, true> since it was loaded
local is_left = {} ---@type table<integer, true> by Neovim; for as long as the buffer's number lives

--- Whether the server that runs was told of a buffer, or will be once it is ready.
---@param buf integer
---@return boolean
local function is_known(buf)
  return wire.id ~= nil and vim.lsp.buf_is_attached(buf, wire.id)
end

---@param buf integer
---@return string
local function text_of(buf)
  local line_end = line_ends[vim.bo[buf].fileformat]
  local text = table.concat(api.nvim_buf_get_lines(buf, 0, -1, true), line_end)
  return vim.bo[buf].eol and text .. line_end or text
end

---@param buf integer
---@param version integer
local function tell(buf, version)
  local client = wire.client()
  if not is_left[buf] or not is_known(buf) or not (client and client.initialized) then
    return -- a client that is not ready opens the buffer as it is then
  end
  wire.notify('textDocument/didChange', {
    textDocument = { uri = vim.uri_from_bufnr(buf), version = version },
    contentChanges = { { text = text_of(buf) } },
  })
end

--- Follow a buffer that Neovim follows from now on, should it stop.
---@param buf integer
function M.watch(buf)
  if watched[buf] then
    return
  end
  watched[buf] = api.nvim_buf_attach(buf, false, {
    on_lines = function(_, _, version)
      if #vim.lsp.get_clients({ bufnr = buf, _uninitialized = true }) == 0 then
        is_left[buf] = true
      end
      tell(buf, version)
    end,
    on_reload = function()
      tell(buf, api.nvim_buf_get_changedtick(buf))
    end,
    on_detach = function()
      watched[buf] = nil
      if is_left[buf] and is_known(buf) then
        vim.lsp.buf_detach_client(buf, wire.id)
      end
    end,
  }) or nil
end

return M
