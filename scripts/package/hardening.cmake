# What makes an error in C harder to exploit, as far as the compiler knows it. After OpenSSF's compiler hardening guide.
# authlinkd_harden(TARGET) adds it to an INTERFACE library.
include(CheckCCompilerFlag)

function(authlinkd_harden target)
  # Takes what a distribution's own flags set lower away first; level 3 needs gcc 12 or clang 9, others take it as 2.
  # Debug builds do not optimise, and FORTIFY_SOURCE is nothing without that.
  target_compile_options(${target} INTERFACE
    "$<$<NOT:$<CONFIG:Debug>>:-U_FORTIFY_SOURCE;-D_FORTIFY_SOURCE=3>")

  foreach(flag -fstack-clash-protection -fcf-protection=full -ftrivial-auto-var-init=zero
               -fstrict-flex-arrays=3)
    string(MAKE_C_IDENTIFIER "authlinkd_has${flag}" known)
    check_c_compiler_flag("-Werror;${flag}" ${known})
    if(${known})
      target_compile_options(${target} INTERFACE ${flag})
    endif()
  endforeach()
  target_link_options(${target} INTERFACE -Wl,-z,relro,-z,now,-z,noexecstack -pie)
endfunction()
