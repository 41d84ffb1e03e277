using ManyHands.Calls;
using ManyHands.Serialization;

namespace ManyHands;

// Every form of function, with up to three arguments. Each wraps what it got in one Call; nothing here knows an engine.
public abstract partial class Pool
{
    /// <summary>Runs a function in a worker of the pool and hands back its result.</summary>
    /// <remarks>
    /// <para>Waits for a free worker if all are busy. The function may take a trailing <see cref="CancellationToken"/>: it is cancelled when
    /// <paramref name="cancellationToken"/> is, or when <see cref="CallOptions.Timeout"/> is over.</para>
    /// <para>With <c>Pool.Processes</c>, arguments, captured variables and the result are copied by value. An <see cref="IProgress{T}"/>
    /// as an argument works across the boundary.</para>
    /// <para>A call runs at most once: if its worker dies, the call fails.</para>
    /// </remarks>
    /// <param name="function">A static method, a lambda, or a method of an object that can be copied.</param>
    /// <param name="options">Timeout, grace and name of this call; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels the call, whether it waits or runs.</param>
    /// <returns>A task that ends when the function has ended, with its result or its exception.</returns>
    /// <exception cref="UnsendableCallException">The function, an argument or the result can't travel; the message says what to write instead.</exception>
    /// <exception cref="RemoteException">The function threw an exception that isn't rebuilt here; exceptions of .NET itself come back as themselves.</exception>
    /// <exception cref="WorkerCrashedException">The worker's process ended during the call.</exception>
    /// <exception cref="CallTimeoutException">The function ran longer than <see cref="CallOptions.Timeout"/>.</exception>
    /// <exception cref="PoolBrokenException">The pool's workers can't start.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The pool is closed.</exception>
    /// <example><code>
    /// int answer = await pool.RunAsync(Work.Fib, 40);
    /// </code></example>
    public Task RunAsync(Action function, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments, NoResult>(function, default, options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T>(Action<T> function, T argument, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T>, NoResult>(function, new(argument), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T1, T2>(Action<T1, T2> function, T1 first, T2 second, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T1, T2, T3>(Action<T1, T2, T3> function, T1 first, T2 second, T3 third, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync(Action<CancellationToken> function, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments, NoResult>(function, default, options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T>(Action<T, CancellationToken> function, T argument, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T>, NoResult>(function, new(argument), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T1, T2>(Action<T1, T2, CancellationToken> function, T1 first, T2 second, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T1, T2, T3>(Action<T1, T2, T3, CancellationToken> function, T1 first, T2 second, T3 third, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<TResult>(Func<TResult> function, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments, TResult>(function, default, options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T, TResult>(Func<T, TResult> function, T argument, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T>, TResult>(function, new(argument), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T1, T2, TResult>(Func<T1, T2, TResult> function, T1 first, T2 second, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2>, TResult>(function, new(first, second), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T1, T2, T3, TResult>(Func<T1, T2, T3, TResult> function, T1 first, T2 second, T3 third, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<TResult>(Func<CancellationToken, TResult> function, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments, TResult>(function, default, options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T, TResult>(Func<T, CancellationToken, TResult> function, T argument, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T>, TResult>(function, new(argument), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T1, T2, TResult>(Func<T1, T2, CancellationToken, TResult> function, T1 first, T2 second, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2>, TResult>(function, new(first, second), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T1, T2, T3, TResult>(Func<T1, T2, T3, CancellationToken, TResult> function, T1 first, T2 second, T3 third, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync(Func<Task> function, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments, NoResult>(function, default, options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T>(Func<T, Task> function, T argument, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T>, NoResult>(function, new(argument), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T1, T2>(Func<T1, T2, Task> function, T1 first, T2 second, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T1, T2, T3>(Func<T1, T2, T3, Task> function, T1 first, T2 second, T3 third, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync(Func<CancellationToken, Task> function, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments, NoResult>(function, default, options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T>(Func<T, CancellationToken, Task> function, T argument, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T>, NoResult>(function, new(argument), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T1, T2>(Func<T1, T2, CancellationToken, Task> function, T1 first, T2 second, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2>, NoResult>(function, new(first, second), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task RunAsync<T1, T2, T3>(Func<T1, T2, T3, CancellationToken, Task> function, T1 first, T2 second, T3 third, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2, T3>, NoResult>(function, new(first, second, third), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<TResult>(Func<Task<TResult>> function, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments, TResult>(function, default, options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T, TResult>(Func<T, Task<TResult>> function, T argument, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T>, TResult>(function, new(argument), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T1, T2, TResult>(Func<T1, T2, Task<TResult>> function, T1 first, T2 second, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2>, TResult>(function, new(first, second), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T1, T2, T3, TResult>(Func<T1, T2, T3, Task<TResult>> function, T1 first, T2 second, T3 third, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<TResult>(Func<CancellationToken, Task<TResult>> function, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments, TResult>(function, default, options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T, TResult>(Func<T, CancellationToken, Task<TResult>> function, T argument, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T>, TResult>(function, new(argument), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T1, T2, TResult>(Func<T1, T2, CancellationToken, Task<TResult>> function, T1 first, T2 second, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2>, TResult>(function, new(first, second), options, cancellationToken));

    /// <inheritdoc cref="RunAsync(Action, CallOptions?, CancellationToken)"/>
    public Task<TResult> RunAsync<T1, T2, T3, TResult>(Func<T1, T2, T3, CancellationToken, Task<TResult>> function, T1 first, T2 second, T3 third, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        StartCall(new Call<Arguments<T1, T2, T3>, TResult>(function, new(first, second, third), options, cancellationToken));
}
