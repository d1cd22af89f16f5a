# What `cpack -G DEB` makes of the install rules: a package for Debian and Ubuntu. make_deb.sh runs it.
set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME qtz)
set(CPACK_PACKAGE_VENDOR "The qtz authors")
set(CPACK_PACKAGE_CONTACT "The qtz authors <authors@qtz.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "quantizer for language-model weights")
set(CPACK_DEBIAN_PACKAGE_DESCRIPTION
    "Turns 16-bit model weights (safetensors, GGUF) into the quantized GGUF files\n\
that llama.cpp and everything built on it run, in one step and in bounded\n\
memory, and verifies the result against its source.")
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION utils)
set(CPACK_DEBIAN_PACKAGE_PRIORITY optional)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Loaded by the commands that run a model.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libopenblas0-pthread | libopenblas0")
set(CPACK_DEBIAN_COMPRESSION_TYPE xz)
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
# Whatever the umask of whoever builds it.
set(CPACK_INSTALL_DEFAULT_DIRECTORY_PERMISSIONS OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ
    WORLD_EXECUTE)
# Manual page and changelog as Debian wants them.
set(CPACK_PRE_BUILD_SCRIPTS "${CMAKE_CURRENT_LIST_DIR}/compress_docs.cmake")
include(CPack)
