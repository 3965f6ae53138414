--- Lines of a file that an edit is meant for, held while the file changes around them.

local M = {}

local api = vim.api
local namespace = api.nvim_create_namespace('midfill.edit')

---@class midfill.Held
---@field buf integer the file
---@field mark integer
---@field lines string[] as they were
---@field row integer where they were when the edits came, from 0

--- Hold lines.
---@param buf integer
---@param first integer from 0
---@param last integer exclusive
---@param highlight? string
---@return midfill.Held
function M.hold(buf, first, last, highlight)
  local lines = api.nvim_buf_get_lines(buf, first, last, true)
  local mark = api.nvim_buf_set_extmark(buf, namespace, first, 0, {
    end_row = last - 1,
    end_col = #lines[#lines],
    hl_group = highlight,
    hl_eol = highlight ~= nil,
  })
  return { buf = buf, mark = mark, lines = lines, row = first }
end

--- Let go of them.
---@param held midfill.Held
function M.release(held)
  if api.nvim_buf_is_valid(held.buf) then
    api.nvim_buf_del_extmark(held.buf, namespace, held.mark)
  end
end

--- Return the rows where they stand now, the second exclusive; nil if they are gone.
---@param held midfill.Held
---@return integer?, integer?
function M.rows(held)
  if not api.nvim_buf_is_loaded(held.buf) then
    return nil
  end
  local place = api.nvim_buf_get_extmark_by_id(held.buf, namespace, held.mark, { details = true })
  if not place[1] then
    return nil
  end
  return place[1], place[3].end_row + 1
end

--- Whether they stand as they were.
---@param held midfill.Held
---@return boolean
function M.is_unchanged(held)
  local first, last = M.rows(held)
  return first ~= nil and vim.deep_equal(api.nvim_buf_get_lines(held.buf, first, last, false), held.lines)
end

--- Make edits that were meant for the file as it was when the lines stood in `row`.
---@param held midfill.Held
---@param edits lsp.TextEdit[]
---@param encoding string
function M.apply(held, edits, encoding)
  local moved_by = M.rows(held) - held.row
  local moved = vim.deepcopy(edits)
  for _, edit in ipairs(moved) do
    edit.range.start.line = edit.range.start.line + moved_by
    edit.range['end'].line = edit.range['end'].line + moved_by
  end
  vim.lsp.util.apply_text_edits(moved, held.buf, encoding)
end

return M
