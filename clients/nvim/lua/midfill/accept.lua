--- Puts what is suggested into the buffer, all of it or its next word or line, as one undo step.

local columns = require('midfill.columns')
local suggest = require('midfill.suggest')
local suggestion = require('midfill.suggestion')
local wire = require('midfill.wire')

local M = {}

local api = vim.api
local WORD = '[%w_\128-\255]'
local NO_WORD = '[^%s%w_\128-\255]'

---@alias midfill.Amount 'all'|'word'|'line'

local waiting ---@type midfill.Amount?

--- Return how many bytes to take of a text.
---@param text string
---@param amount midfill.Amount
---@return integer
local function num_bytes(text, amount)
  if amount == 'line' then
    return #text:match('^\n?[^\n]*')
  end
  if amount == 'word' then
    local word = text:match('^%s*' .. WORD .. '+') or text:match('^%s*' .. NO_WORD .. '+')
    return #(word or text)
  end
  return #text
end

--- Accept what is shown.
---@param amount midfill.Amount
---@return boolean shown whether anything was
function M.accept(amount)
  if not suggest.shown() then
    return false
  end
  waiting = amount
  -- CTRL-G u ends an undo step; it can only be typed.
  local keys = "<C-g>u<Cmd>lua require('midfill.accept').apply()<CR><C-g>u"
  api.nvim_feedkeys(api.nvim_replace_termcodes(keys, true, true, true), 'ni', false)
  return true
end

--- Tell the server that the first bytes of what was shown now stand in the buffer.
---@param candidate midfill.Candidate
---@param num_left integer how many bytes of it do not
local function note_accepted(candidate, num_left)
  local item = candidate.item
  if num_left == 0 then
    suggest.clear()
    if item.command then
      wire.execute(item.command.command, item.command.arguments)
    end
  else
    local text = candidate.skipped .. candidate.text:sub(1, #candidate.text - num_left)
    local num_units = columns.num_units(text, 'utf-16')
    if candidate.is_crlf then
      num_units = num_units + select(2, text:gsub('\n', ''))
    end
    local params = { item = item, acceptedLength = num_units }
    wire.notify('textDocument/didPartiallyAcceptCompletion', params)
  end
end

--- Change the buffer as `accept` has announced.
function M.apply()
  local amount = waiting or 'all'
  waiting = nil
  local candidate, text, over = suggest.shown()
  if not candidate then
    return
  end
  local num = num_bytes(text, amount)
  local row, col = suggestion.cursor()
  local lines = vim.split(text:sub(1, num), '\n', { plain = true })
  local num_replaced = suggestion.num_replaced(text, over, num)
  api.nvim_buf_set_text(0, row, col, row, col + num_replaced, lines)
  local last_col = #lines == 1 and col + #lines[1] or #lines[#lines]
  api.nvim_win_set_cursor(0, { row + #lines, last_col })
  note_accepted(candidate, #text - num)
end

return M
