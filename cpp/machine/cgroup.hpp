// CPU limits of Linux control groups, which the affinity of a process does not show: containers are given those.
#pragma once

#include <filesystem>
#include <optional>

namespace spinbound {

// The whole cores that the control groups of this process grant, rounded up: the least over its own group and the
// groups around it, in version 2 (cpu.max) and version 1 (cpu.cfs_quota_us over cpu.cfs_period_us). Nothing where no
// file states a limit, or in a form that is not understood. root: the folder with proc/ and sys/.
std::optional<int> cgroup_cpu_limit(const std::filesystem::path& root = "/");

}  // namespace spinbound
