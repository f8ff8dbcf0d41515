# What `cmake --install` puts where, besides the programs (daemon/CMakeLists.txt). Everything stands below the prefix, but
# the configuration of a system-wide installation: prefix /usr or /usr/local means /etc (install_system.cmake).
install(CODE "set(made \"${CMAKE_BINARY_DIR}/systemd\")")
install(SCRIPT "${CMAKE_CURRENT_LIST_DIR}/install_system.cmake")

# The manual of the settings is made of the configuration file.
set(settings_manual "${CMAKE_BINARY_DIR}/man/authlinkd.conf.5")
add_custom_command(OUTPUT "${settings_manual}"
  COMMAND sh -c "mkdir -p man && awk -f '${CMAKE_CURRENT_LIST_DIR}/settings_manual.awk' '${CMAKE_SOURCE_DIR}/conf/authlinkd.conf' '${CMAKE_SOURCE_DIR}/conf/authlinkd.conf.5.in' >man/authlinkd.conf.5"
  WORKING_DIRECTORY "${CMAKE_BINARY_DIR}"
  DEPENDS "${CMAKE_CURRENT_LIST_DIR}/settings_manual.awk" conf/authlinkd.conf conf/authlinkd.conf.5.in
  VERBATIM)
set(made_manuals "${settings_manual}")

# That of authlinkctl is made of what it tells by --help.
if(TARGET authlinkctl)
  set(ctl_manual "${CMAKE_BINARY_DIR}/man/authlinkctl.1")
  add_custom_command(OUTPUT "${ctl_manual}"
    COMMAND sh -c "mkdir -p man && '${CMAKE_CURRENT_LIST_DIR}/ctl_manual.sh' ./authlinkctl >man/authlinkctl.1"
    WORKING_DIRECTORY "${CMAKE_BINARY_DIR}"
    DEPENDS authlinkctl "${CMAKE_CURRENT_LIST_DIR}/ctl_manual.sh" "${CMAKE_SOURCE_DIR}/daemon/ctl/authlinkctl.1.in"
    VERBATIM)
  list(APPEND made_manuals "${ctl_manual}")
endif()
add_custom_target(manuals ALL DEPENDS ${made_manuals})

file(GLOB manuals CONFIGURE_DEPENDS daemon/*/*.[1-8])
list(APPEND manuals ${made_manuals})
foreach(manual IN LISTS manuals)
  string(REGEX REPLACE ".*\\.([1-8])$" "\\1" section "${manual}")
  install(FILES "${manual}" DESTINATION "${CMAKE_INSTALL_MANDIR}/man${section}")
endforeach()
install(FILES tests/tools/conductor-fake/conductor-fake.1 DESTINATION "${CMAKE_INSTALL_MANDIR}/man1"
  COMPONENT fake EXCLUDE_FROM_ALL)
install(FILES README.md CHANGELOG.md LICENSE DESTINATION "${CMAKE_INSTALL_DOCDIR}")
install(FILES conf/authlinkd.acl DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")
install(DIRECTORY conf/prometheus conf/grafana DESTINATION "${CMAKE_INSTALL_DOCDIR}/examples")

# All that the packages need, without the tests.
add_custom_target(packaged DEPENDS manuals)
foreach(program authlinkd authlinkctl conductor-fake)
  if(TARGET ${program})
    add_dependencies(packaged ${program})
  endif()
endforeach()
