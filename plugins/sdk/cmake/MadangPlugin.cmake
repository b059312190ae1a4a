set(MADANG_PLUGIN_MAP ${CMAKE_CURRENT_LIST_DIR}/madang_plugin.map)

# madang_add_plugin(ID SOURCES file... [NO_INSTALL])
#   Builds ID.so (target ID_plugin) with everything hidden: a plugin exports madang_plugin_entry and nothing else.
#   Installed to <libdir>/madang/plugins unless NO_INSTALL.
function(madang_add_plugin id)
  cmake_parse_arguments(ARG "NO_INSTALL" "" "SOURCES" ${ARGN})
  add_library(${id}_plugin MODULE ${ARG_SOURCES})
  target_link_libraries(${id}_plugin PRIVATE Madang::sdk)
  target_link_options(${id}_plugin PRIVATE LINKER:--version-script=${MADANG_PLUGIN_MAP})
  set_target_properties(${id}_plugin PROPERTIES PREFIX "" SUFFIX .so OUTPUT_NAME ${id}
                                                CXX_VISIBILITY_PRESET hidden VISIBILITY_INLINES_HIDDEN ON)
  if(NOT ARG_NO_INSTALL)
    include(GNUInstallDirs)
    install(TARGETS ${id}_plugin LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR}/madang/plugins COMPONENT plugins)
  endif()
endfunction()

# madang_add_plugin_test(ID SOURCES file...)
#   A GoogleTest program (target ID_plugin_test) for <madang/testing.hpp>. MADANG_TEST_PLUGIN is the path of ID.so.
function(madang_add_plugin_test id)
  cmake_parse_arguments(ARG "" "" "SOURCES" ${ARGN})
  find_package(GTest REQUIRED)
  include(GoogleTest)
  add_executable(${id}_plugin_test ${ARG_SOURCES})
  add_dependencies(${id}_plugin_test ${id}_plugin)
  target_link_libraries(${id}_plugin_test PRIVATE Madang::sdk GTest::gtest GTest::gtest_main ${CMAKE_DL_LIBS})
  target_compile_definitions(${id}_plugin_test PRIVATE MADANG_TEST_PLUGIN="$<TARGET_FILE:${id}_plugin>")
  gtest_discover_tests(${id}_plugin_test DISCOVERY_TIMEOUT 60 PROPERTIES LABELS plugin TIMEOUT 600)
endfunction()
