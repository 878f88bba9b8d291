# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# boot.rb FOLDER MACHINE [SHELL BOOT...]: boots a machine of a project as Vagrant does, as far as it concerns shares.
#
# Run is what Vagrant's own action_boot has of cleaning, synced folders and customisations, in its order, on the machine
# whose UUID is in the project's .vagrant. Everything else in it (networks, disks, SSH) is left out. Without SHELL, it
# ends where Vagrant would start the machine. Otherwise BOOT is run there, a program with its arguments, and SHELL is a
# program that runs its one argument as a shell line of the guest's root: a stand-in for Vagrant's SSH.

require "open3"
require "vagrant"
require Vagrant.source_root.join("plugins/providers/virtualbox/action").to_s

folder, name, shell, *boot = ARGV
VirtualBox = VagrantPlugins::ProviderVirtualBox::Action
SHARES = [Vagrant::Action::Builtin::SyncedFolderCleanup, Vagrant::Action::Builtin::SyncedFolders, VirtualBox::Customize]

# Runs lines in the guest.
class StandInCommunicator < Vagrant.plugin("2", :communicator)
  class << self
    attr_accessor :shell
  end

  def initialize(machine)
    @machine = machine
  end

  def ready?
    true
  end

  def execute(line, options = nil)
    options = { error_check: true, error_class: Vagrant::Errors::VagrantError, error_key: :ssh_bad_exit_status }
              .merge(options || {})
    # A serial port takes one line.
    output, status = Open3.capture2e(self.class.shell, "sh -c \"$(echo #{[line].pack("m0")} | base64 -d)\"")
    yield(:stdout, output) if block_given?
    warn "guest: #{line.strip} -> #{status.exitstatus} #{output.strip}"
    return status.exitstatus if status.success? || !options[:error_check]

    raise "#{line}: exit status #{status.exitstatus}\n#{output}"
  end

  def sudo(line, options = nil, &block)
    execute(line, options, &block)
  end

  def test(line, _options = nil)
    execute(line, error_check: false).zero?
  end
end

class StandInPlugin < Vagrant.plugin("2")
  name "a guest without SSH"
  communicator("stand_in") { StandInCommunicator }
end

# Takes the place of Vagrant's Boot.
class StandInBoot
  def initialize(app, _environment, command)
    @app = app
    @command = command
  end

  def call(environment)
    throw :booted if @command.empty?
    system(*@command) || raise("#{@command.join(" ")} failed")
    @app.call(environment)
  end
end

StandInCommunicator.shell = shell
environment = Vagrant::Environment.new(cwd: folder, ui_class: Vagrant::UI::Basic)
machine = environment.machine(name.to_sym, :virtualbox)
raise "Vagrant knows no machine #{name}" unless machine.id

steps = Vagrant::Action::Builder.new
VirtualBox.action_boot.stack.each do |item|
  if SHARES.include?(item.middleware)
    steps.use(item.middleware, *item.arguments.parameters)
  elsif item.middleware == VirtualBox::Boot
    steps.use(StandInBoot, boot)
  end
end
catch(:booted) { environment.action_runner.run(steps, machine: machine, ui: machine.ui) }
