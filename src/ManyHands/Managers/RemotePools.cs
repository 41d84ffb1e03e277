using ManyHands.Managers;

namespace ManyHands;

/// <summary>The pool whose workers are wherever they like.</summary>
public static class RemotePools
{
    extension(Pool)
    {
        /// <summary>
        /// A pool over a manager: calls go to the manager, and from it to workers that have connected to it (<see cref="RemoteWorker"/>), in other processes, on other machines, of other builds.
        /// </summary>
        /// <remarks>
        /// <para>A call names its function by what both sides have registered it under, so a lambda with captured variables, or any function that isn't registered, fails at the call with <see cref="UnsendableCallException"/>. Otherwise it
        /// is called like any other pool: timeouts, cancellation, progress, retries and exceptions are as with <c>Pool.Processes</c>, as far as the workers' own pools can do it. One of processes kills, one of threads can't.</para>
        /// <para>A call runs at most once, unless <see cref="CallOptions.Retries"/> allows more. If its worker is lost while it runs, it fails with <see cref="WorkerCrashedException"/>; if it had only been sent there, it goes to another.
        /// If this client's connection is lost, its calls fail with <see cref="ConnectionLostException"/> and are cancelled in their workers. If the manager stops, they fail with <see cref="ManagerException"/>.</para>
        /// <para>Where there is no worker, calls wait (<see cref="RemotePoolOptions.NoWorkerTimeout"/>). <see cref="Pool.Statistics"/> counts this pool's calls, and lists all workers.</para>
        /// </remarks>
        /// <param name="client">The way to the manager. The pool doesn't dispose of it; dispose of the pool first.</param>
        /// <param name="name">What the manager has registered it as, with <see cref="ManagerServer.RegisterPool"/>.</param>
        /// <param name="functions">What calls may name.</param>
        /// <param name="options">Null for the defaults.</param>
        /// <exception cref="ManagerException">The manager has no such pool.</exception>
        /// <exception cref="ConnectionLostException">There is no connection.</exception>
        /// <exception cref="ObjectDisposedException">The client was disposed of.</exception>
        /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
        /// <example><code>
        /// await using Pool pool = Pool.Remote(client, "renderers", new RemoteFunctions().AddMethodsOf(typeof(Rendering)));
        /// byte[] page = await pool.RunAsync(Rendering.Render, "report.html");
        /// </code></example>
        public static Pool Remote(ManagerClient client, string name, RemoteFunctions functions, RemotePoolOptions? options = null)
        {
            ArgumentNullException.ThrowIfNull(client);
            ArgumentNullException.ThrowIfNull(functions);
            options ??= new();
            options.Validate();
            return new RemotePool(client.GetPool(name), functions, options);
        }
    }
}
