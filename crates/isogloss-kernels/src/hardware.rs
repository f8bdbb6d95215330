//! Hardware limits of a GPU, by which kernels are chosen.

use std::collections::BTreeMap;

use burn::tensor::Device;

/// Hardware limits of a GPU by name, as its driver reports them: sizes of subgroups (planes) and
/// workgroups (cubes), shared memory, bindings. There are none on the CPU.
pub fn hardware_limits(device: &Device) -> BTreeMap<&'static str, u64> {
    #[cfg(any(feature = "wgpu", feature = "cuda"))]
    return reported::limits(device);
    #[cfg(not(any(feature = "wgpu", feature = "cuda")))]
    {
        _ = device;
        BTreeMap::new()
    }
}

#[cfg(any(feature = "wgpu", feature = "cuda"))]
mod reported {
    use std::collections::BTreeMap;

    use burn::tensor::{Device, Tensor};
    use burn_cubecl::CubeBackend;

    use crate::backends::Wrapped as _;

    pub(super) fn limits(device: &Device) -> BTreeMap<&'static str, u64> {
        let tensor = Tensor::<1>::empty([1], &device.clone().without_autodiff()).into_dispatch();
        let Some(tensor) = CubeBackend::unwrap(tensor.kind) else { return BTreeMap::new() };
        let tensor = tensor.float();
        let hardware = &tensor.client.properties().hardware;
        let known = [
            ("subgroup_size_min", u64::from(hardware.plane_size_min)),
            ("subgroup_size_max", u64::from(hardware.plane_size_max)),
            ("max_workgroup_units", u64::from(hardware.max_units_per_cube)),
            ("max_shared_memory_bytes", hardware.max_shared_memory_size as u64),
            ("max_bindings", u64::from(hardware.max_bindings)),
            ("max_vector_elements", hardware.max_vector_size as u64),
            ("max_page_bytes", tensor.client.properties().memory.max_page_size),
        ];
        let optional = [
            ("multiprocessors", hardware.num_streaming_multiprocessors.map(u64::from)),
            ("last_level_cache_bytes", hardware.last_level_cache_size.map(|bytes| bytes as u64)),
            ("smallest_matrix_unit", hardware.min_tensor_cores_dim.map(u64::from)),
        ];
        let optional = optional.into_iter().filter_map(|(name, value)| Some((name, value?)));
        known.into_iter().chain(optional).collect()
    }
}
