--- Tells the server where text may be typed next, outside of insert mode: the engine reads ahead what
--- stands there. In insert mode the requests for suggestions do that.

local server = require('midfill.server')
local suggest = require('midfill.suggest')
local wire = require('midfill.wire')

local M = {}

local api = vim.api

local last ---@type string? where the cursor was when it was told last

--- Tell the end of the cursor's line: that is where `A` types, and `o` nearly. Once for each line,
--- since the cursor's column says nothing.
function M.tell()
  local buf, client = api.nvim_get_current_buf(), wire.client()
  local is_known = client ~= nil and client.initialized and server.is_attached(buf)
  local may_ask = suggest.is_enabled(buf) and suggest.asks_by_itself() and vim.bo.modifiable
  if api.nvim_get_mode().mode ~= 'n' or not is_known or not may_ask then
    return
  end
  local row = api.nvim_win_get_cursor(0)[1] - 1
  local place = ('%d %d %d'):format(buf, api.nvim_buf_get_changedtick(buf), row)
  if place == last then
    return
  end
  last = place
  local line = api.nvim_buf_get_lines(buf, row, row + 1, false)[1]
  wire.notify('midfill/didMoveCursor', {
    textDocument = { uri = vim.uri_from_bufnr(buf) },
    position = wire.position(row, #line),
  })
end

return M
