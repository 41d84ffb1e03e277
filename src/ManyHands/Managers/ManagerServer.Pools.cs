using ManyHands.Managers;

namespace ManyHands;

public sealed partial class ManagerServer
{
    /// <summary>Makes a pool for callers and workers to find under that name: who calls uses <c>Pool.Remote</c>, who works <see cref="RemoteWorker"/>. The manager itself runs nothing.</summary>
    /// <param name="name">A letter or <c>_</c>, then letters, digits and <c>_</c>; at most 200.</param>
    /// <param name="functions">What calls of this process may name; null if it makes none. The manager passes on calls of functions that it doesn't know.</param>
    /// <param name="options">For calls of this process; null for the defaults.</param>
    /// <returns>The pool, for this process. Its disposal ends its calls, and leaves the pool to others.</returns>
    /// <exception cref="ArgumentException">The name can't be one or is taken.</exception>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public Pool RegisterPool(string name, RemoteFunctions? functions = null, RemotePoolOptions? options = null)
    {
        options ??= new();
        options.Validate();
        HostedPool pool = objects.Add(name, ObjectKind.Pool, "", (_, _) => new HostedPool(name, bytes, this.options.MaxMessageSize - 64));
        return new RemotePool(new RemotePoolObject(local, name) { Hosted = pool }, functions ?? new(), options);
    }
}
