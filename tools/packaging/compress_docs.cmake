# Run by CPack on the staged files: compresses without a time stamp, so that the package is reproducible.
set(share "${CPACK_TEMPORARY_INSTALL_DIRECTORY}/usr/share")
file(RENAME "${share}/doc/qtz/CHANGELOG.md" "${share}/doc/qtz/changelog")
execute_process(COMMAND gzip -9n "${share}/doc/qtz/changelog" "${share}/man/man1/qtz.1" COMMAND_ERROR_IS_FATAL ANY)
