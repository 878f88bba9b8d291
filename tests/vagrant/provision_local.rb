# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# provision_local.rb FOLDER: has Vagrant's own provisioner "ansible_local" set up the machine of a project.
#
# The machine is a stand-in: what Vagrant would run in the guest by SSH is run here.

require "fileutils"
require "open3"
require "vagrant"
require Vagrant.source_root.join("plugins/provisioners/ansible/plugin").to_s
require Vagrant.source_root.join("plugins/provisioners/ansible/provisioner/guest").to_s

# Runs lines here.
class StandInCommunicator
  def execute(line, options = nil)
    output, status = Open3.capture2e("sh", "-c", line)
    yield(:stdout, output) if block_given?
    raise "#{line}: exit status #{status.exitstatus}\n#{output}" unless status.success? || (options || {})[:error_check] == false

    status.exitstatus
  end
  alias sudo execute

  def test(line, _options = nil)
    execute(line, error_check: false).zero?
  end

  def upload(from, to)
    FileUtils.cp(from, to)
  end
end

# Has nothing that Vagrant knows to do in a guest, as a system that it does not know.
class StandInGuest
  def capability?(_name)
    false
  end
end

StandInMachine = Struct.new(:name, :config, :ssh_info, :env, :provider_name, :communicate, :guest, :ui)

environment = Vagrant::Environment.new(cwd: ARGV[0], ui_class: Vagrant::UI::Basic)
config = environment.vagrantfile.machine_config(:default, :virtualbox, nil, nil, false)[:config]
machine = StandInMachine.new(:default, config, { username: "root" }, environment, :virtualbox, StandInCommunicator.new,
                             StandInGuest.new, environment.ui)
environment.define_singleton_method(:active_machines) { [[:default, :virtualbox]] }
environment.define_singleton_method(:machine) { |_name, _provider| machine }
config.vm.provisioners.each do |provisioner|
  provisioner.config.finalize!
  VagrantPlugins::Ansible::Provisioner::Guest.new(machine, provisioner.config).provision
end
