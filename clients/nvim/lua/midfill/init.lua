--- Midfill: code completion at the cursor. `setup()` is all that is needed; `:help midfill`.

local config = require('midfill.config')

local M = {}

local api = vim.api

---@type midfill.Options?
M.options = nil

local symbols = {
  starting = '…',
  ready = '',
  thinking = '*',
  error = '!',
  off = 'off',
  stopped = 'stopped',
}

local function actions()
  local accept, suggest = require('midfill.accept').accept, require('midfill.suggest')
  return {
    accept = function()
      return accept('all')
    end,
    accept_word = function()
      return accept('word')
    end,
    accept_line = function()
      return accept('line')
    end,
    next = function()
      return suggest.cycle(1)
    end,
    prev = function()
      return suggest.cycle(-1)
    end,
    dismiss = M.dismiss,
    request = function()
      M.request()
      return true
    end,
    toggle = function()
      M.toggle()
      return true
    end,
  }
end

local function watch_editor()
  local group = api.nvim_create_augroup('midfill', {})
  local server, suggest = require('midfill.server'), require('midfill.suggest')
  local cursor = require('midfill.cursor')
  local function on(events, desc, callback, pattern)
    desc = 'Midfill: ' .. desc
    local options = { group = group, pattern = pattern, desc = desc, callback = callback }
    api.nvim_create_autocmd(events, options)
  end
  -- Later, since only then it is known what a buffer is: a file type comes after the text, and that
  -- it is no file at all after both. In the events another buffer may pass for the current one, too.
  local attach_soon = vim.schedule_wrap(function(event)
    local is_new = server.attach(event.buf)
    if event.buf == api.nvim_get_current_buf() then
      if is_new then
        suggest.clear() -- what was asked before is forgotten there
      end
      suggest.update() -- the cursor may be inserting there already
    end
  end)
  local events = { 'BufReadPost', 'BufWritePost', 'BufEnter', 'FileType', 'BufFilePost' }
  on(events, 'let the server know the buffer', attach_soon)
  on('OptionSet', 'take back what is no file any more, or let it be known again', function()
    local buf = api.nvim_get_current_buf() -- the event names none
    if server.wants(buf) then
      attach_soon({ buf = buf })
    else
      server.detach(buf)
    end
  end, { 'buftype', 'buflisted' })
  -- To Neovim, a buffer without a name that is written under one is wiped out, not renamed.
  on({ 'BufFilePre', 'BufWipeout' }, 'take the buffer back by its old name', function(event)
    server.detach(event.buf)
    attach_soon(event) -- it keeps its name where another buffer has the new one
  end)
  on('ModeChanged', 'begin or end suggesting', function()
    suggest.update()
  end)
  on({ 'TextChangedI', 'TextChangedP', 'CursorMovedI' }, 'suggest', function()
    suggest.update()
  end)
  on('BufLeave', 'end suggesting', suggest.clear)
  on('CursorMoved', 'let the engine read ahead', cursor.tell)
  on('BufEnter', 'let the engine read ahead', vim.schedule_wrap(cursor.tell)) -- its line is known later
  require('midfill.menu').watch(group, suggest.menu_changed)
end

--- Begin. Raises an error that names every option that is unknown or wrong.
---@param given? table options, see `:help midfill-options`
function M.setup(given)
  given = given or {}
  if vim.fn.has('nvim-0.10') == 0 then
    error('midfill needs Neovim 0.10 or later', 0)
  end
  local problems = config.problems(given)
  if #problems > 0 then
    error('midfill: ' .. table.concat(problems, '\nmidfill: '), 0)
  end
  M.options = config.build(given)
  local server, suggest = require('midfill.server'), require('midfill.suggest')
  require('midfill.token').configure(M.options.token)
  suggest.configure(M.options)
  server.configure(M.options, { on_end = suggest.clear, on_token = require('midfill.token').reply })
  require('midfill.keys').take(M.options.keys, actions())
  watch_editor()
  server.attach_all()
end

---@return midfill.Options
local function set_up()
  if not M.options then
    M.setup()
  end
  return assert(M.options)
end

--- Switch suggestions on or off, everywhere or in one buffer.
---@param is_on boolean
---@param buf? integer 0 for the current one
function M.enable(is_on, buf)
  local options = set_up()
  if buf then
    vim.b[buf].midfill_enabled = is_on
  else
    options.enabled = is_on
  end
  require('midfill.suggest').clear()
  if is_on then
    require('midfill.suggest').update()
  end
end

--- Whether suggestions are wanted in the current buffer.
---@return boolean
function M.is_enabled()
  return M.options ~= nil and require('midfill.suggest').is_enabled(api.nvim_get_current_buf())
end

--- Switch suggestions off where they are on, and on where they are off.
---@param buf? integer
function M.toggle(buf)
  M.enable(not M.is_enabled(), buf)
end

--- Ask for a suggestion now.
function M.request()
  set_up()
  require('midfill.suggest').update(true)
end

--- Accept what is shown; returns whether anything was.
---@param amount? midfill.Amount
---@return boolean
function M.accept(amount)
  return require('midfill.accept').accept(amount or 'all')
end

--- Show the next suggestion, or with -1 the one before; returns whether one was shown.
---@param step? integer
---@return boolean
function M.cycle(step)
  return require('midfill.suggest').cycle(step or 1)
end

--- Take the suggestion away until the next key; returns whether one was shown.
---@return boolean
function M.dismiss()
  local suggest = require('midfill.suggest')
  if not suggest.shown() then
    return false
  end
  suggest.dismiss()
  return true
end

--- Whether a suggestion is shown.
---@return boolean
function M.is_visible()
  return require('midfill.suggest').shown() ~= nil
end

--- Return the state of the language server: `state`, and where there are any `reason` and `progress`.
---@return midfill.Status
function M.status()
  if M.options and not M.is_enabled() then
    return { state = 'off', reason = 'switched off in this buffer' }
  end
  return require('midfill.wire').status
end

--- Return the state for a statusline: `Midfill` and a mark.
---@return string
function M.statusline()
  if not M.options then
    return ''
  end
  local status = M.status()
  local symbol = symbols[status.state] or status.state
  if status.progress then
    symbol = ('%s %d%%'):format(symbol, status.progress)
  end
  return symbol == '' and 'Midfill' or 'Midfill ' .. symbol
end

return M
