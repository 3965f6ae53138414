--- The lines that a conversation is about, held while their files change. `chat` sends them along.

local held_lines = require('midfill.held')
local server = require('midfill.server')
local wire = require('midfill.wire')

local M = {}

local MAX_PLACES = 8 -- as many as the server takes

local places = {} ---@type midfill.Held[]

--- Let lines of a buffer be part of it, once, instead of the first where they are too many.
---@param buf integer
---@param first integer from 1
---@param last integer inclusive
function M.add(buf, first, last)
  for idx, held in ipairs(places) do
    if held.buf == buf and vim.deep_equal({ held_lines.rows(held) }, { first - 1, last }) then
      held_lines.release(table.remove(places, idx))
      break
    end
  end
  table.insert(places, held_lines.hold(buf, first - 1, last))
  if #places > MAX_PLACES then
    held_lines.release(table.remove(places, 1))
  end
end

--- Return the places as they are now. Those that are gone are no part of it any more.
---@return { uri: string, range: lsp.Range }[]
---@return integer? buf the file of the latest
function M.context()
  local context, left = {}, {} ---@type table[], midfill.Held[]
  local is_unknown = false
  for _, held in ipairs(places) do
    local range = held_lines.range(held, wire.encoding())
    if range then
      table.insert(left, held)
      if server.is_attached(held.buf) then -- else the URI may be another's without a name
        table.insert(context, { uri = vim.uri_from_bufnr(held.buf), range = range })
      else
        is_unknown = true
      end
    else
      held_lines.release(held)
    end
  end
  if #left < #places then
    vim.notify('Midfill: lines that the conversation was about are gone')
  end
  if is_unknown then
    vim.notify('Midfill: asked without lines of a buffer that the language server does not know now')
  end
  places = left
  return context, left[#left] and left[#left].buf
end

--- Let go of all of them.
function M.forget()
  vim.tbl_map(held_lines.release, places)
  places = {}
end

return M
