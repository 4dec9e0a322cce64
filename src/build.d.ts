/** The version of package.json, put in by the build. */
declare const BUILD_VERSION: string
