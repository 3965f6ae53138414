--- `:checkhealth midfill`.

local M = {}

local health = vim.health
local WAIT_MS = 10000

---@param options midfill.Options
local function check_program(options)
  local command = require('midfill.server').command()
  local path = vim.fn.exepath(command[1])
  if path == '' then
    health.error(('%s is not executable'):format(command[1]), {
      'install it: see :help midfill-install',
      'or set `cmd` in setup(), such as { "/path/to/midfill", "lsp" }',
    })
    return
  end
  health.ok(('%s is %s'):format(command[1], path))
  if options.cmd then
    health.info('cmd: ' .. table.concat(options.cmd, ' '))
  end
end

--- Return what the server says of itself, nil if it says nothing within a while.
---@return table?
local function ask_status()
  local wire = require('midfill.wire')
  local answer ---@type table?
  vim.wait(WAIT_MS, function() -- it may only have been started
    return (wire.client() or {}).initialized == true
  end, 20)
  wire.execute('midfill.status', {}, function(err, status)
    answer = { status = not err and status or nil }
  end)
  vim.wait(WAIT_MS, function()
    return answer ~= nil
  end, 20)
  return answer and answer.status
end

local function check_server()
  local wire = require('midfill.wire')
  local client = wire.client()
  if not client then
    local reason = wire.status.reason or 'no buffer has needed it yet'
    health.warn('the language server does not run: ' .. reason, { ':Midfill restart', ':Midfill log' })
    return
  end
  health.ok(('the language server runs (client %d, columns in %s)'):format(client.id, wire.encoding()))
  local status = ask_status()
  if not status then
    health.error('it does not answer', { ':Midfill restart', ':Midfill log' })
    return
  end
  local model = require('midfill.report').model_of(status)
  local told = ('%s, model %s: %s'):format(status.backend, model, status.state)
  if status.state == 'error' then
    health.error(('%s: %s'):format(told, status.reason), { 'midfill doctor (in a shell)' })
  else
    health.ok(told)
  end
end

---@param options midfill.Options
local function check_keys(options)
  local lost = require('midfill.keys').lost(options.keys)
  if next(lost) == nil then
    health.ok('all keys are mapped')
  end
  for name, lhs in pairs(lost) do
    health.warn(('keys.%s: %s was mapped anew after setup()'):format(name, lhs), {
      'call setup() later, choose another key, or call require("midfill") in your own mapping',
    })
  end
end

local function check_neighbours()
  local native = vim.lsp.inline_completion
  local others = native
    and native.is_enabled()
    and vim.lsp.get_clients({ method = 'textDocument/inlineCompletion' })
  for _, client in ipairs(others or {}) do
    health.warn(('%s draws ghost text too, by vim.lsp.inline_completion'):format(client.name))
  end
  for name, title in pairs({ ['cmp'] = 'nvim-cmp', ['blink.cmp'] = 'blink.cmp' }) do
    if package.loaded[name] then
      health.info(title .. ' is loaded: ghost text hides while its menu is open')
    end
  end
  if package.loaded['copilot'] or vim.g.loaded_copilot == 1 then
    health.warn('Copilot is loaded: two ghost texts may be drawn', { 'use one of them at a time' })
  end
end

--- Tell what was found.
function M.check()
  health.start('midfill')
  if vim.fn.has('nvim-0.10') == 0 then
    health.error('Neovim 0.10 or later is needed')
    return
  end
  health.ok('Neovim ' .. tostring(vim.version()))
  local options = require('midfill').options
  if not options then
    health.error('setup() was not called', { "require('midfill').setup()" })
    return
  end
  check_program(options)
  check_server()
  check_keys(options)
  check_neighbours()
end

return M
