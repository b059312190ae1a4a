// What the kernel knows of this process (/proc/self, getrusage). 0 where it cannot be read. Any thread.
#pragma once

namespace madang {

double process_cpu_seconds();
double process_resident_bytes();
double process_open_fds();
double process_max_fds();
double process_threads();
double process_start_seconds();  // since 1970

}  // namespace madang
