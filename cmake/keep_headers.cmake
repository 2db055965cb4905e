# keep_headers(TARGET): includes the headers of TARGET, a library of headers, from a copy in the build folder.
#
# pip provides the headers in an environment whose path is new at every installation, which would compile everything
# again. A copy that is written only where its content differs compiles what has changed.
function(keep_headers target)
  get_target_property(folder ${target} INTERFACE_INCLUDE_DIRECTORIES)
  file(REAL_PATH ${folder} folder)
  string(MAKE_C_IDENTIFIER ${target} name)
  set(copy ${CMAKE_CURRENT_BINARY_DIR}/headers/${name})
  file(GLOB_RECURSE headers RELATIVE ${folder} ${folder}/*)
  foreach(header IN LISTS headers)
    configure_file(${folder}/${header} ${copy}/${header} COPYONLY)
  endforeach()
  set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES ${copy})
endfunction()
