--- A suggestion and its place. Knows the buffer's text, but draws, asks and changes nothing.
---
--- What is typed after a suggestion has come may go through it: then the rest of it still stands.
--- The place is held by an extmark, so lines that come or go above do no harm.

local columns = require('midfill.columns')

local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace('midfill.anchor')

---@class midfill.Anchor
---@field buf integer
---@field mark integer
---@field row integer where it was, from 0
---@field col integer bytes before the cursor
---@field head string the line before the cursor
---@field tail string the line behind the cursor
---@field num_holders integer

---@class midfill.Candidate
---@field text string with LF as line end
---@field over string what of the anchor's tail it takes the place of
---@field skipped string what of the item stands before the anchor
---@field item table as it came; the one that is to come while it grows
---@field is_crlf boolean its line ends came as CR LF
---@field is_told? boolean the server knows that it was shown

---@class midfill.Suggestion
---@field anchor midfill.Anchor
---@field candidates midfill.Candidate[] not empty
---@field idx integer which of them is shown
---@field complete boolean no more text comes
---@field explicit boolean
---@field selected? string the menu's item that it goes on from

--- Return the cursor as row and byte column, both from 0.
---@return integer, integer
function M.cursor()
  local place = api.nvim_win_get_cursor(0)
  return place[1] - 1, place[2]
end

--- Return the cursor's place in the current buffer, held once.
---@return midfill.Anchor
function M.anchor()
  local buf = api.nvim_get_current_buf()
  local row, col = M.cursor()
  local line = api.nvim_get_current_line()
  return {
    buf = buf,
    mark = api.nvim_buf_set_extmark(buf, namespace, row, col, { right_gravity = false }),
    row = row,
    col = col,
    head = line:sub(1, col),
    tail = line:sub(col + 1),
    num_holders = 1,
  }
end

--- Hold a place once more.
---@param anchor midfill.Anchor
function M.hold(anchor)
  anchor.num_holders = anchor.num_holders + 1
end

--- Let go of a place, as often as it was held.
---@param anchor midfill.Anchor
function M.release(anchor)
  anchor.num_holders = anchor.num_holders - 1
  if anchor.num_holders == 0 and api.nvim_buf_is_valid(anchor.buf) then
    api.nvim_buf_del_extmark(anchor.buf, namespace, anchor.mark)
  end
end

--- Return a candidate for an anchor; nil for one that belongs elsewhere.
---@param anchor midfill.Anchor
---@param item table
---@param encoding string
---@return midfill.Candidate?
function M.candidate(anchor, item, encoding)
  local text = type(item.insertText) == 'table' and item.insertText.value or item.insertText
  local is_crlf = text:find('\r\n', 1, true) ~= nil
  text = text:gsub('\r\n', '\n')
  if not item.range then
    return { text = text, over = '', skipped = '', is_crlf = is_crlf, item = item }
  end
  local first, last = item.range.start, item.range['end']
  local line = anchor.head .. anchor.tail
  local start = columns.to_byte_col(line, first.character, encoding)
  local skipped = line:sub(start + 1, anchor.col)
  if first.line ~= anchor.row or start > anchor.col or not vim.startswith(text, skipped) then
    return nil
  end
  local stop = last.line > first.line and #line or columns.to_byte_col(line, last.character, encoding)
  return {
    text = text:sub(#skipped + 1),
    over = line:sub(anchor.col + 1, stop),
    skipped = skipped,
    is_crlf = is_crlf,
    item = item,
  }
end

--- Return the text between an anchor and the cursor, nil if it is no place to go on from.
---@param anchor midfill.Anchor
---@return string?
local function typed(anchor)
  if api.nvim_get_current_buf() ~= anchor.buf then
    return nil
  end
  local mark = api.nvim_buf_get_extmark_by_id(anchor.buf, namespace, anchor.mark, {})
  local row, col = M.cursor()
  local is_behind = mark[1] and (row > mark[1] or (row == mark[1] and col >= anchor.col))
  if not is_behind then
    return nil
  end
  local first = api.nvim_buf_get_lines(anchor.buf, mark[1], mark[1] + 1, true)[1]
  if first:sub(1, anchor.col) ~= anchor.head then
    return nil
  end
  local lines = api.nvim_buf_get_text(anchor.buf, mark[1], anchor.col, row, col, {})
  return table.concat(lines, '\n')
end

--- Return what of a candidate is still to come at the cursor, and the text behind the cursor that
--- it takes the place of; nil if what was typed is something else.
---@param anchor midfill.Anchor
---@param candidate midfill.Candidate
---@return string?, string
function M.remaining(anchor, candidate)
  local before = typed(anchor)
  if not before or not vim.startswith(candidate.text, before) then
    return nil, ''
  end
  local _, col = M.cursor()
  local tail = api.nvim_get_current_line():sub(col + 1)
  local num_gone = #anchor.tail - #tail -- of `over`, typed through or accepted
  if num_gone < 0 or num_gone > #candidate.over or anchor.tail:sub(num_gone + 1) ~= tail then
    return nil, ''
  end
  return candidate.text:sub(#before + 1), candidate.over:sub(num_gone + 1)
end

--- Return where each byte of `over` stands in a suggestion's first line, the last places that fit;
--- nil if they do not all stand there. Closing brackets that the editor put behind the cursor do.
---@param text string
---@param over string
---@return integer[]?
function M.align(text, over)
  local first = text:match('^[^\n]*')
  local places, from = {}, #first ---@type integer[], integer
  for idx = #over, 1, -1 do
    while from > 0 and first:byte(from) ~= over:byte(idx) do
      from = from - 1
    end
    if from == 0 then
      return nil
    end
    places[idx] = from
    from = from - 1
  end
  return places
end

--- Return how many bytes of `over` go when the first bytes of a suggestion are inserted.
---@param text string
---@param over string
---@param num_bytes integer
---@return integer
function M.num_replaced(text, over, num_bytes)
  local places = M.align(text, over)
  local is_past = num_bytes >= #text or text:sub(1, num_bytes):find('\n', 1, true)
  if is_past or not places then
    return is_past and #over or 0
  end
  local num_gone = 0
  while places[num_gone + 1] and places[num_gone + 1] <= num_bytes do
    num_gone = num_gone + 1
  end
  return num_gone
end

return M
