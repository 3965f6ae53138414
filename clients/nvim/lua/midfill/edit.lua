--- `:MidfillEdit`: lines are rewritten as an instruction says. The new text grows in a preview
--- beside the file; nothing is changed before the user says yes.

local held_lines = require('midfill.held')
local preview = require('midfill.preview')
local server = require('midfill.server')
local wire = require('midfill.wire')

local M = {}

local api = vim.api
local num_asked = 0

---@param text string
---@param level integer
local function say(text, level)
  vim.notify('Midfill: ' .. text, level)
end

---@param shown midfill.Preview
---@param err? table
---@param result? { edit: table, notes?: string[] }
local function finish(shown, err, result)
  if err then
    say(err.message or 'no answer', vim.log.levels.ERROR)
    preview.discard()
    return
  end
  local edits = {} ---@type lsp.TextEdit[]
  for _, change in ipairs(result and result.edit.documentChanges or {}) do
    vim.list_extend(edits, change.edits or {})
  end
  for _, note in ipairs(result and result.notes or {}) do
    say(note, vim.log.levels.INFO)
  end
  if #edits == 0 then
    say('nothing to change', vim.log.levels.INFO)
    preview.discard()
    return
  end
  preview.finish(shown, edits)
end

---@param held midfill.Held
---@param instruction string
---@param token string
---@return table
local function params_of(held, instruction, token)
  return {
    textDocument = { uri = vim.uri_from_bufnr(held.buf) },
    range = held_lines.range(held, wire.encoding()),
    instruction = instruction,
    partialResultToken = token,
  }
end

---@param place midfill.Held
---@param mods table as `nvim_cmd` has them
---@param instruction string
local function begin(place, mods, instruction)
  local first, stop = held_lines.rows(place)
  if not first then
    say('the lines are gone', vim.log.levels.ERROR)
    return
  end
  num_asked = num_asked + 1
  local token = 'midfill-edit-' .. num_asked
  local held = held_lines.hold(place.buf, first, stop, 'MidfillEdit')
  local cancel ---@type fun()?
  local shown = preview.open(held, mods, function()
    wire.growing[token] = nil
    if cancel then
      cancel()
    end
  end)
  if not shown then
    return
  end
  wire.growing[token] = function(value)
    if type(value.newText) == 'string' then
      preview.show(shown, value.newText)
    end
  end
  wire.once_ready(function()
    if not preview.is_open(shown) then
      return
    end
    cancel = wire.request('midfill/edit', params_of(held, instruction, token), function(err, result)
      cancel = nil
      if preview.is_open(shown) then
        finish(shown, err, result)
      end
    end, held.buf)
    if not cancel then
      preview.discard()
      say(wire.why_not(), vim.log.levels.ERROR)
    end
  end)
end

--- Run `:MidfillEdit`.
---@param command table as `nvim_create_user_command` gives it
function M.run(command)
  local buf = api.nvim_get_current_buf()
  local problem = server.why_unknown(buf)
  if not problem and not vim.bo[buf].modifiable then
    problem = "'modifiable' is off in this buffer"
  end
  if problem then
    say(problem, vim.log.levels.ERROR)
    return
  end
  local place = held_lines.hold(buf, command.line1 - 1, command.line2)
  local function take(given)
    local instruction = vim.trim(given or '')
    if instruction ~= '' then
      begin(place, command.smods, instruction)
    end
    held_lines.release(place)
  end
  if vim.trim(command.args) ~= '' then
    take(command.args)
  else
    vim.ui.input({ prompt = 'Edit: ' }, take) -- who may let the user go elsewhere meanwhile
  end
end

return M
