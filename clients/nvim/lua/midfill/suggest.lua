--- What is suggested at the cursor: asks for it, lets it grow, keeps it while it is typed through.
--- There is one cursor, so one suggestion at a time.

local asking = require('midfill.asking')
local candidates = require('midfill.candidates')
local ghost = require('midfill.ghost')
local menu = require('midfill.menu')
local server = require('midfill.server')
local suggestion = require('midfill.suggestion')
local wire = require('midfill.wire')

local M = {}

local api = vim.api

local options ---@type midfill.Options
local current ---@type midfill.Suggestion?
local place ---@type string? where the last look was; two events come for one key

---@param chosen midfill.Options
function M.configure(chosen)
  options = chosen
end

--- Whether suggestions are wanted in a buffer.
---@param buf integer
---@return boolean
function M.is_enabled(buf)
  local of_buffer = vim.b[buf].midfill_enabled
  if of_buffer ~= nil then
    return of_buffer == true or of_buffer == 1
  end
  return options.enabled
end

---@param selected? midfill.Selected
---@return string
local function here(selected)
  local buf = api.nvim_get_current_buf()
  local row, col = suggestion.cursor()
  local tick = api.nvim_buf_get_changedtick(buf)
  return ('%d %d %d %d %s'):format(buf, tick, row, col, selected and selected.text or '')
end

---@return boolean
local function is_inserting()
  local is_insert = vim.startswith(api.nvim_get_mode().mode, 'i')
  local is_in_text = vim.fn.getpos('.')[4] == 0 -- else 'virtualedit' lets it stand where none is
  local is_text = vim.bo.buftype == '' and vim.bo.modifiable -- which may change in insert mode
  return is_insert and is_in_text and not vim.o.paste and is_text
end

--- Whether to make way for the menu, and else from which of its items to go on.
---@return boolean, midfill.Selected?
local function look_at_menu()
  if not menu.is_open() then
    return false, nil
  end
  if not options.show_with_menu then
    return true, nil
  end
  local selected = menu.selected()
  return selected == false, selected or nil
end

---@param new? midfill.Suggestion
local function replace_current(new)
  local old = current
  if new then
    suggestion.hold(new.anchor)
  end
  current = new
  if old then
    suggestion.release(old.anchor)
  end
end

--- Forget the suggestion and the request.
function M.clear()
  asking.cancel()
  replace_current(nil)
  ghost.clear()
  place = nil
end

--- Take the suggestion away; the next key asks for another.
function M.dismiss()
  local _, selected = look_at_menu()
  M.clear()
  place = here(selected)
end

--- Return the candidate that is chosen, what of it is still to come, and what that replaces.
---@return midfill.Candidate?, string, string
local function chosen()
  if current then
    local candidate = current.candidates[current.idx]
    local text, over = suggestion.remaining(current.anchor, candidate)
    if text and text ~= '' then
      return candidate, text, over
    end
  end
  return nil, '', ''
end

--- Whether the suggestion goes on from the menu's item, or there is none to go on from.
---@param selected? midfill.Selected
---@return boolean
local function fits(selected)
  return selected == nil or (current ~= nil and vim.deep_equal(current.selected, selected))
end

--- Return what `chosen` does where it is shown, and so may be accepted; else nothing.
---@return midfill.Candidate?, string, string
function M.shown()
  if options and current and is_inserting() then
    local is_hidden, selected = look_at_menu()
    if not is_hidden and fits(selected) then
      return chosen()
    end
  end
  return nil, '', ''
end

--- Whether the suggestion is whole; else it may still grow.
---@return boolean
function M.is_complete()
  return current ~= nil and current.complete
end

local function draw()
  local candidate, text, over = M.shown()
  if not candidate or not current then
    ghost.clear()
    return
  end
  local row, col = suggestion.cursor()
  local num = #current.candidates
  local label = num > 1 and (' (%d/%d)'):format(current.idx, num) or nil
  ghost.draw(api.nvim_get_current_buf(), row, col, text, over, label)
  if not candidate.is_told then
    candidate.is_told = true
    wire.notify('textDocument/didShowCompletion', { item = candidate.item })
  end
  api.nvim_exec_autocmds('User', { pattern = 'MidfillShown', modeline = false })
end

---@param request midfill.Request
---@param read midfill.Candidate[] not empty
---@param complete boolean
local function show(request, read, complete)
  local before, text = chosen()
  local left = suggestion.remaining(request.anchor, read[1]) or ''
  -- The server knows that it was shown, since it is the same that has grown.
  read[1].is_told = before ~= nil and before.is_told and vim.startswith(left, text)
  replace_current({
    anchor = request.anchor,
    candidates = read,
    idx = candidates.index_after(request.anchor, read, text, request.step),
    complete = complete,
    explicit = request.explicit,
    selected = request.selected,
  })
  draw()
end

---@type midfill.Asker
local asker = {
  on_growth = function(request, candidate)
    local _, text = chosen()
    if not vim.startswith(text, suggestion.remaining(request.anchor, candidate) or '') then
      show(request, { candidate }, false)
    end
  end,
  on_reply = function(request, read)
    if #read > 0 then
      show(request, read, true)
    else
      replace_current(nil)
      ghost.clear()
    end
  end,
}

--- Whether text that is typed is asked about by itself.
---@return boolean
function M.asks_by_itself()
  local in_macro = vim.fn.reg_recording() ~= '' or vim.fn.reg_executing() ~= ''
  return options.auto and not in_macro -- what is accepted would not be there when it runs again
end

--- Look at the cursor: go on with the suggestion, or ask for another.
---@param explicit? boolean the user asks
function M.update(explicit)
  local buf = api.nvim_get_current_buf()
  if not is_inserting() or not M.is_enabled(buf) or not server.is_attached(buf) then
    M.clear()
    return
  end
  local is_hidden, selected = look_at_menu()
  if is_hidden then
    asking.cancel()
    ghost.clear()
    place = nil
    return
  end
  if not explicit and place == here(selected) then
    return
  end
  place = here(selected)
  if current and chosen() and fits(selected) then
    draw()
    if current.complete and not explicit and vim.deep_equal(current.selected, selected) then
      asking.cancel()
      return
    end
  else
    replace_current(nil)
    ghost.clear()
  end
  if explicit or M.asks_by_itself() then
    asking.ask(explicit == true, 0, selected, asker)
  else
    asking.cancel()
  end
end

--- Look again, after a menu has opened or closed, or another of its items is selected.
function M.menu_changed()
  if options then
    M.update()
  end
end

--- Show another candidate; the server is asked for more where only one is known.
---@param step integer 1 for the next, -1 for the one before
---@return boolean shown whether there was one to go on from
function M.cycle(step)
  if not M.shown() or not current then
    return false
  end
  local num = #current.candidates
  if num > 1 or (current.complete and current.explicit) then
    current.idx = (current.idx - 1 + step) % num + 1
    draw()
  else
    asking.ask(true, step, current.selected, asker)
  end
  return true
end

return M
