import numpy as np, jax, jax.numpy as jnp, sys
sys.path.insert(0,'/work/main')
from cnerf_jax import camera, sampler, published, rays
from cnerf_jax.models import discriminator_blocks as db, base_sdf
d=np.load('/work/shared/parity/tiny.npz')
W={k[len('weights/generator/'):]:d[k] for k in d.files if k.startswith('weights/generator/')}
g,params=published.generator_from(W)
print(g)
rel=lambda a,b: float(np.abs(np.asarray(a)-b).max()/np.abs(b).max())
print('w',rel(g.apply(params,d['z'],method='map_latents').reshape(2,5,2,16),d['w']) )
ae=d['azimuth_elevation']; cam=camera.orbit(ae[:,0],ae[:,1],image_size=8)
for nc in (1,4):
  r=jax.jit(lambda p,s,c: sampler.render(g,p,s,c,image_size=8,num_samples=6,num_chunks=nc))(params,d['w'],cam)
  for n in ('rgb','semantic_mask','surface_point','sdf','last_weight'): print(n,rel(getattr(r,n),d[n]))
f=sampler.portrait(g,params,d['w'])
pts=d['points']
print('g',rel(jax.grad(lambda p:f.sdf(p).sum())(jnp.array(pts)),d['sdf_gradient']), rel(jax.grad(lambda p:f.residual_sdf(p).sum())(jnp.array(pts)),d['residual_sdf_gradient']))
bw={k[len('weights/block/'):]:d[k] for k in d.files if k.startswith('weights/block/')}
c=lambda w:w.transpose(2,3,1,0)
for sc in (1,2**.5):
  p={'conv_0':{'convolution':{'conv':{'kernel':c(bw['conv1.conv.conv.weight']),'bias':bw['conv1.activation.bias']}}},
   'conv_1':{'convolution':{'conv':{'kernel':c(bw['conv2.conv.conv.weight']),'bias':bw['conv2.activation.bias']}}},
   'skip':{'conv':{'kernel':c(bw['skip.conv.weight']),'bias':bw['skip.conv.bias']}}}
  print('block',rel(db.ResidualBlock(6).apply({'params':p},d['block_in']),d['block_out']))
print('std',rel(db.minibatch_stddev(jnp.array(d['stddev_in'])),d['stddev_out']))
t=cam.near[:,None,None]+.24*(np.arange(6)+.5)/6
rr=rays.cast_rays(cam,image_size=8)
p2=rr.origins[...,None,:]+t[...,None]*rr.directions[...,None,:]
print('base',rel(f.base_sdf(p2).reshape(2,8,8,6),d['base_sdf_stratified_mid']),rel(base_sdf.sphere_sdf(p2).reshape(2,8,8,6),d['sphere_target_stratified_mid']))
