#include "machine/cgroup.hpp"

#include <algorithm>
#include <fstream>
#include <limits>
#include <string>

namespace spinbound {
namespace {

namespace fs = std::filesystem;

// The least limit seen so far.
class Limit {
public:
    // quota microseconds of computing in every period of that many; "max" and -1 fail to be a positive number
    void add(std::istream&& quota, std::istream&& period) { add(read(quota), read(period)); }
    void add(std::istream&& quota_and_period) {
        const long long quota = read(quota_and_period);
        add(quota, read(quota_and_period));
    }

    std::optional<int> cores() const { return cores_; }

private:
    static long long read(std::istream& stream) {
        long long number = 0;
        return stream >> number ? number : 0;
    }

    void add(long long quota, long long period) {
        if (quota <= 0 || period <= 0) return;
        const long long cores = quota / period + (quota % period != 0);
        cores_ = static_cast<int>(std::min<long long>(cores, cores_.value_or(std::numeric_limits<int>::max())));
    }

    std::optional<int> cores_;
};

// visit(folder) for a group and the groups around it. In a container the group's own folder may not be there: what
// /proc tells is then its path outside, and the mounted root is its group.
template <class Visit>
void for_each_group(const fs::path& mount, std::string group, Visit&& visit) {
    while (true) {
        visit(fs::path(mount.string() + group));
        const auto slash = group.rfind('/');
        if (slash == std::string::npos) return;
        group.resize(slash);
    }
}

bool names_cpu(const std::string& controllers) { return ("," + controllers + ",").find(",cpu,") != std::string::npos; }

}  // namespace

std::optional<int> cgroup_cpu_limit(const fs::path& root) {
    Limit limit;
    const fs::path mounts = root / "sys/fs/cgroup";
    std::ifstream groups(root / "proc/self/cgroup");
    // number:controllers:/path; version 2 has number 0 and names no controllers
    for (std::string number, controllers, group;
         std::getline(groups, number, ':') && std::getline(groups, controllers, ':') && std::getline(groups, group);) {
        if (controllers.empty())
            for_each_group(mounts, group,
                           [&](const fs::path& folder) { limit.add(std::ifstream(folder / "cpu.max")); });
        else if (names_cpu(controllers))
            for_each_group(mounts / "cpu", group, [&](const fs::path& folder) {
                limit.add(std::ifstream(folder / "cpu.cfs_quota_us"), std::ifstream(folder / "cpu.cfs_period_us"));
            });
    }
    return limit.cores();
}

}  // namespace spinbound
