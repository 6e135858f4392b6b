"""Short notation for columns, and the column sets of osquery's published schema (names only).

``columns("uid:b name size:i")``: names separated by spaces, a suffix for the type - ``:i``
INTEGER, ``:b`` BIGINT, ``:d`` DOUBLE, none TEXT. Source: osquery 5.23, ``specs/**/*.table``.
"""

from sekisho.agent.table import Column

_TYPES = {"": "TEXT", "i": "INTEGER", "b": "BIGINT", "d": "DOUBLE"}


def columns(notation: str) -> tuple[Column, ...]:
    """Turn the notation into columns."""
    made = []
    for word in notation.split():
        name, _, letter = word.partition(":")
        made.append(Column(name, _TYPES[letter]))
    return tuple(made)


OS_VERSION = columns(
    "name version major:i minor:i patch:i build platform platform_like codename arch extra"
    " install_date:b revision:i"
)
UPTIME = columns("days:i hours:i minutes:i seconds:i total_seconds:b")
SYSTEM_INFO = columns(
    "hostname uuid cpu_type cpu_subtype cpu_brand cpu_physical_cores:i cpu_logical_cores:i"
    " cpu_sockets:i cpu_microcode physical_memory:b hardware_vendor hardware_model"
    " hardware_version hardware_serial board_vendor board_model board_version board_serial"
    " computer_name local_hostname emulated_cpu_type"
)
SECUREBOOT = columns(
    "secure_boot:i setup_mode:i secure_mode:i description allow_kernel_extensions:i"
    " allow_mdm_operations:i"
)
USERS = columns(
    "uid:b gid:b uid_signed:b gid_signed:b username description directory shell uuid type"
    " is_hidden:i"
)
GROUPS = columns("gid:b gid_signed:b groupname group_sid comment is_hidden:i")
USER_GROUPS = columns("uid:b gid:b")
LOGGED_IN_USERS = columns("type user tty host time:b pid:i sid registry_hive")
FILE = columns(
    "path directory filename inode:b uid:b gid:b mode device:b size:b block_size:i atime:b"
    " mtime:b ctime:b btime:b hard_links:i symlink:i type symlink_target_path attributes"
    " file_version product_version original_filename"
)
PROCESSES = columns(
    "pid:b name path cmdline state cwd root uid:b gid:b euid:b egid:b suid:b sgid:b on_disk:i"
    " wired_size:b resident_size:b total_size:b user_time:b system_time:b disk_bytes_read:b"
    " disk_bytes_written:b start_time:b parent:b pgroup:b threads:i nice:i elevated_token:i"
    " elapsed_time:b"
)
LISTENING_PORTS = columns(
    "pid:i port:i protocol:i family:i address fd:b socket:b path net_namespace"
)
INTERFACE_ADDRESSES = columns("interface address mask broadcast point_to_point type friendly_name")
INTERFACE_DETAILS = columns(
    "interface mac type:i mtu:i metric:i flags:i ipackets:b opackets:b ibytes:b obytes:b"
    " ierrors:b oerrors:b idrops:b odrops:b collisions:b last_change:b link_speed:b"
    " pci_slot friendly_name description manufacturer connection_id connection_status"
    " enabled:i physical_adapter:i speed:i service dhcp_enabled:i"
)
MOUNTS = columns(
    "device device_alias path type blocks_size:b blocks:b blocks_free:b blocks_available:b"
    " inodes:b inodes_free:b flags"
)
BLOCK_DEVICES = columns("name parent vendor model serial size:b block_size:i uuid type label")
DISK_ENCRYPTION = columns(
    "name uuid encrypted:i type encryption_status uid user_uuid filevault_status"
)
USB_DEVICES = columns(
    "usb_address:i usb_port:i vendor vendor_id version model model_id serial class subclass"
    " protocol removable:i"
)
DEB_PACKAGES = columns(
    "name version source size:b arch revision status maintainer section priority admindir"
)
RPM_PACKAGES = columns(
    "name version release source size:b sha1 arch epoch:i install_time:i vendor package_group"
)
SYSTEMD_UNITS = columns(
    "id description load_state active_state sub_state unit_file_state following object_path"
    " job_id:b job_type job_path fragment_path user source_path"
)
IPTABLES = columns(
    "filter_name chain policy target protocol:i src_port dst_port src_ip src_mask iniface"
    " iniface_mask dst_ip dst_mask outiface outiface_mask match packets:i bytes:i"
)
AUGEAS = columns("node value label path")
CERTIFICATES = columns(
    "common_name subject subject2 issuer issuer2 ca:i self_signed:i not_valid_before:b"
    " not_valid_after:b signing_algorithm key_algorithm key_strength key_usage subject_key_id"
    " authority_key_id sha1 path serial sid store_location store username store_id"
)
CHROME_EXTENSIONS = columns(
    "browser_type uid:b name profile profile_path referenced_identifier identifier version"
    " description default_locale current_locale update_url author persistent:i path permissions"
    " permissions_json optional_permissions optional_permissions_json manifest_hash"
    " referenced:i from_webstore state install_time install_timestamp:b manifest_json key"
)
WIFI_STATUS = columns(
    "interface ssid bssid network_name country_code security_type rssi:i noise:i channel:i"
    " channel_width:i channel_band:i transmit_rate mode"
)
PLIST = columns("key subkey value path")
APPS = columns(
    "name path bundle_executable bundle_identifier bundle_name bundle_short_version"
    " bundle_version bundle_package_type environment element compiler development_region"
    " display_name info_string minimum_system_version category applescript_enabled copyright"
    " last_opened_time:d"
)
ALF = columns(
    "allow_signed_enabled:i firewall_unload:i global_state:i logging_enabled:i"
    " logging_option:i stealth_enabled:i version"
)
GATEKEEPER = columns("assessments_enabled:i dev_id_enabled:i version opaque_version")
SIP_CONFIG = columns("config_flag enabled:i enabled_nvram:i")
SHARING_PREFERENCES = columns(
    "screen_sharing:i file_sharing:i printer_sharing:i remote_login:i remote_management:i"
    " remote_apple_events:i internet_sharing:i bluetooth_sharing:i disc_sharing:i"
    " content_caching:i"
)
MANAGED_POLICIES = columns("domain uuid name value username manual:i")
SCREENLOCK = columns("enabled:i grace_period:i")
TIME_MACHINE_DESTINATIONS = columns(
    "alias destination_id consistency_scan_date:i root_volume_uuid bytes_available:i"
    " bytes_used:i encryption"
)
TIME_MACHINE_BACKUPS = columns("destination_id backup_date:i")
REGISTRY = columns("key path name type data mtime:b")
PROGRAMS = columns(
    "name version install_location install_source language publisher uninstall_string"
    " install_date identifying_number package_family_name upgrade_code"
)
BITLOCKER_INFO = columns(
    "device_id drive_letter persistent_volume_id conversion_status:i protection_status:i"
    " encryption_method version:i percentage_encrypted:i lock_status:i"
)
DISK_INFO = columns(
    "partitions:i disk_index:i type id pnp_device_id disk_size:b manufacturer hardware_model"
    " name serial description"
)
SHARED_RESOURCES = columns(
    "description install_date status allow_maximum:i maximum_allowed:i name path type:b type_name"
)
SERVICES = columns(
    "name service_type display_name status pid:i start_type win32_exit_code:i"
    " service_exit_code:i path module_path description user_account"
)
WINDOWS_FIREWALL_RULES = columns(
    "name app_name action enabled:i grouping direction protocol local_addresses"
    " remote_addresses local_ports remote_ports icmp_types_codes profile_domain:i"
    " profile_private:i profile_public:i service_name"
)
WINDOWS_OPTIONAL_FEATURES = columns("name caption state:i statename")
WINDOWS_SECURITY_CENTER = columns(
    "firewall autoupdate antivirus antispyware internet_settings"
    " windows_security_center_service user_account_control"
)
WINDOWS_SECURITY_PRODUCTS = columns(
    "type name state state_timestamp remediation_path signatures_up_to_date:i"
)
WINDOWS_UPDATE_HISTORY = columns(
    "client_app_id date:b description hresult:b operation result_code server_selection"
    " service_id support_url title update_id update_revision:b"
)
SECURITY_PROFILE_INFO = columns(
    "minimum_password_age:i maximum_password_age:i minimum_password_length:i"
    " password_complexity:i password_history_size:i lockout_bad_count:i"
    " logon_to_change_password:i force_logoff_when_expire:i new_administrator_name"
    " new_guest_name clear_text_password:i lsa_anonymous_name_lookup:i enable_admin_account:i"
    " enable_guest_account:i audit_system_events:i audit_logon_events:i audit_object_access:i"
    " audit_privilege_use:i audit_policy_change:i audit_account_manage:i"
    " audit_process_tracking:i audit_ds_access:i audit_account_logon:i"
)

# Tables of our own, for what osquery cannot see.
GSETTINGS = columns("username schema key value")
SCREEN_LOCK = columns(
    "uid:b desktop lock_enabled:i idle_seconds:i grace_seconds:i locks_within_seconds:i"
)
NFTABLES_CHAINS = columns("family table_name chain type hook priority:i policy rules_count:i")
PENDING_UPDATES = columns("manager security_count:i oldest_days:i checked_days:i")
BACKUP_JOBS = columns("tool username enabled:i last_success:b encrypted:i")
WINDOWS_UPDATES = columns("pending_count:i security_count:i oldest_days:i searched_at:b")
SOFTWARE_UPDATE = columns("pending_count:i recommended_count:i checked_at:b")
