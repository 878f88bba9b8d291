# SPDX-FileCopyrightText: zeroinstall.virtualbox contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# A Vagrantfile that loads another one, ZEROINSTALL_LOAD, and at "vagrant validate" writes down what Vagrant has then for
# VirtualBox, in probe.json beside it.

require "json"

load File.expand_path(ENV["ZEROINSTALL_LOAD"]) unless ENV["ZEROINSTALL_LOAD"].to_s.empty?

# Another provider's plugin may not be there, and what is written is for VirtualBox alone.
ENV["VAGRANT_DEFAULT_PROVIDER"] = "virtualbox" unless ENV["VAGRANT_DEFAULT_PROVIDER"].to_s.empty?

unless defined?(ZeroInstallProbe)
  # Vagrant asks each section of the configuration whether it is valid. This one never is in use.
  class ZeroInstallProbe < Vagrant.plugin("2", :config)
    FOUND = File.expand_path("../probe.json", __FILE__)
    KEYS = [:id, :guestpath, :hostpath, :disabled, :mount_options, :SharedFoldersEnableSymlinksCreate].freeze

    def validate(machine)
      file = machine.env.vagrantfile
      machines = file.machine_names.map { |name| [name.to_s, self.class.machine(file, name)] }
      File.write(FOUND, JSON.generate("home" => File.expand_path("~"), "machines" => machines.to_h))
      {}
    end

    def self.machine(file, name)
      config = file.machine_config(name, :virtualbox, nil, nil, false)[:config]
      {
        "folders" => config.vm.synced_folders.values.map { |one| one.select { |key, _| KEYS.include?(key) } },
        "calls" => config.vm.get_provider_config(:virtualbox).customizations,
      }
    end
  end

  # Makes Vagrant know that section.
  class ZeroInstallProbePlugin < Vagrant.plugin("2")
    name "zeroinstall.virtualbox probe"
    config(:zeroinstall_virtualbox_probe) { ZeroInstallProbe }
  end
end
