/* driver.c: stands in for the driver, libcuda, where cuDNN makes plans for a device
 * that isn't there.
 *
 * Copyright (C) 2026 The gst-mblm authors
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * cuDNN looks for these functions when it compiles a kernel. It then loads the
 * kernel, which succeeds here, and runs none: everything else is an error.
 */

#define ERROR_STUB_LIBRARY 34 /* CUDA's number for what can't do anything */

#define REFUSE(name)                                                           \
  int name (void);                                                             \
  int name (void)                                                              \
  {                                                                            \
    return ERROR_STUB_LIBRARY;                                                 \
  }

/* Something that has an address. */
#define GIVE(name)                                                             \
  int name (void **thing);                                                     \
  int name (void **thing)                                                      \
  {                                                                            \
    static int it;                                                             \
                                                                               \
    *thing = &it;                                                              \
    return 0;                                                                  \
  }

#define SAY(name, text)                                                        \
  int name (int error, const char **string);                                   \
  int name (int error, const char **string)                                    \
  {                                                                            \
    (void) error;                                                              \
    *string = text;                                                            \
    return 0;                                                                  \
  }

REFUSE (cuCtxGetCurrent)
REFUSE (cuCtxGetDevice)
REFUSE (cuCtxGetLimit)
REFUSE (cuCtxPopCurrent)
REFUSE (cuCtxPushCurrent)
REFUSE (cuDeviceGet)
REFUSE (cuDeviceGetAttribute)
REFUSE (cuDeviceGetCount)
REFUSE (cuDevicePrimaryCtxRelease)
REFUSE (cuDevicePrimaryCtxReset)
REFUSE (cuDevicePrimaryCtxRetain)
REFUSE (cuFuncGetAttribute)
REFUSE (cuFuncSetAttribute)
REFUSE (cuInit)
REFUSE (cuKernelGetAttribute)
REFUSE (cuKernelSetAttribute)
REFUSE (cuLaunchCooperativeKernel)
REFUSE (cuLaunchKernel)
REFUSE (cuLaunchKernelEx)
GIVE (cuKernelGetFunction)
GIVE (cuLibraryGetKernel)
GIVE (cuLibraryLoadData)
REFUSE (cuLibraryLoadFromFile)
REFUSE (cuLibraryUnload)
REFUSE (cuLinkAddData)
REFUSE (cuLinkAddData_v2)
REFUSE (cuLinkAddFile_v2)
REFUSE (cuLinkComplete)
REFUSE (cuLinkCreate)
REFUSE (cuLinkCreate_v2)
REFUSE (cuLinkDestroy)
REFUSE (cuMemcpyDtoH_v2)
GIVE (cuModuleGetFunction)
REFUSE (cuModuleGetGlobal_v2)
GIVE (cuModuleLoadData)
GIVE (cuModuleLoadDataEx)
REFUSE (cuModuleLoadFatBinary)
REFUSE (cuModuleUnload)
REFUSE (cuOccupancyMaxPotentialClusterSize)
REFUSE (cuStreamGetCtx)
REFUSE (cuStreamSynchronize)
REFUSE (cuTensorMapEncodeTiled)
SAY (cuGetErrorName, "CUDA_ERROR_STUB_LIBRARY")
SAY (cuGetErrorString, "there is no device")

int cuDriverGetVersion (int *version);
int
cuDriverGetVersion (int *version)
{
  *version = 13000;
  return 0;
}

int cuOccupancyMaxActiveBlocksPerMultiprocessor (int *blocks);
int
cuOccupancyMaxActiveBlocksPerMultiprocessor (int *blocks)
{
  *blocks = 1;
  return 0;
}
