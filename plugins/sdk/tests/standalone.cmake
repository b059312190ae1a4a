# Installs the SDK component into an empty prefix; then configures, builds and tests one plugin against it as its own
# project, as an outsider would.
#   cmake -DBUILD=<madang's build tree> -DSOURCE=<the plugin> -DWORK=<scratch folder> -DGENERATOR=… -DCOMPILER=…
#         [-DFLAGS=…] -P standalone.cmake
function(run)
  execute_process(COMMAND ${ARGN} COMMAND_ERROR_IS_FATAL ANY)
endfunction()

file(REMOVE_RECURSE ${WORK})
run(${CMAKE_COMMAND} --install ${BUILD} --component sdk --prefix ${WORK}/prefix)
file(COPY ${SOURCE}/ DESTINATION ${WORK}/source)  # so that nothing beside the plugin is in reach
run(${CMAKE_COMMAND} -S ${WORK}/source -B ${WORK}/build -G ${GENERATOR} -DCMAKE_PREFIX_PATH=${WORK}/prefix
    -DCMAKE_CXX_COMPILER=${COMPILER} -DCMAKE_CXX_COMPILER_LAUNCHER=${LAUNCHER} -DCMAKE_BUILD_TYPE=Debug -DCMAKE_CXX_FLAGS_DEBUG=-O0
    "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Wpedantic -Werror ${FLAGS}" -DCMAKE_FIND_USE_PACKAGE_REGISTRY=OFF)
run(${CMAKE_COMMAND} --build ${WORK}/build)
run(${CMAKE_CTEST_COMMAND} --test-dir ${WORK}/build --output-on-failure --no-tests=error)
run(${CMAKE_COMMAND} --install ${WORK}/build --prefix ${WORK}/installed)
