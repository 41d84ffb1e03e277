using ManyHands.Pools;

namespace ManyHands;

// One function over many inputs. Sources may be endless; results come as they are asked for.
public abstract partial class Pool
{
    /// <summary>Runs a function over every item of a source and yields the results in the source's order.</summary>
    /// <remarks>
    /// <para>Lazy and bounded: items are taken from the source as results are taken from the map, at most about a thousand ahead, or 16,384 of items so short that worker processes get them in batches, so the source may be
    /// endless. There is no chunk size to choose. A slow call holds up neither the calls behind it nor their start;
    /// only their results wait for their turn (see <c>MapUnorderedAsync</c>).</para>
    /// <para>If a call fails, the results before it are yielded first, then its exception is thrown, no further item is taken, and what still runs is cancelled.
    /// Leaving the loop early does the same without an exception.</para>
    /// </remarks>
    /// <param name="function">The function; it may take a trailing <see cref="CancellationToken"/>.</param>
    /// <param name="source">The inputs. Enumerated once, on a thread of its own accord, never by two threads at a time.</param>
    /// <param name="options">Timeout, grace and name of each call; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels the map as a whole.</param>
    /// <returns>The results, in the order of the inputs.</returns>
    /// <example><code>
    /// await foreach (int n in pool.MapAsync(Work.Fib, Enumerable.Range(30, 10)))
    ///     Console.WriteLine(n);
    /// </code></example>
    public IAsyncEnumerable<TResult> MapAsync<T, TResult>(Func<T, TResult> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapInOrder<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapAsync<T, TResult>(Func<T, TResult> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapInOrder<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapAsync<T, TResult>(Func<T, CancellationToken, TResult> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapInOrder<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapAsync<T, TResult>(Func<T, CancellationToken, TResult> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapInOrder<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapAsync<T, TResult>(Func<T, Task<TResult>> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapInOrder<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapAsync<T, TResult>(Func<T, Task<TResult>> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapInOrder<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapAsync<T, TResult>(Func<T, CancellationToken, Task<TResult>> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapInOrder<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapAsync<T, TResult>(Func<T, CancellationToken, Task<TResult>> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapInOrder<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <summary>Runs a function over every item of a source and yields the results as they come, whatever their order.</summary>
    /// <inheritdoc cref="MapAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapUnorderedAsync<T, TResult>(Func<T, TResult> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapAsTheyCome<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapUnorderedAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapUnorderedAsync<T, TResult>(Func<T, TResult> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapAsTheyCome<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapUnorderedAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapUnorderedAsync<T, TResult>(Func<T, CancellationToken, TResult> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapAsTheyCome<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapUnorderedAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapUnorderedAsync<T, TResult>(Func<T, CancellationToken, TResult> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapAsTheyCome<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapUnorderedAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapUnorderedAsync<T, TResult>(Func<T, Task<TResult>> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapAsTheyCome<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapUnorderedAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapUnorderedAsync<T, TResult>(Func<T, Task<TResult>> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapAsTheyCome<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapUnorderedAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapUnorderedAsync<T, TResult>(Func<T, CancellationToken, Task<TResult>> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapAsTheyCome<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="MapUnorderedAsync{T, TResult}(Func{T, TResult}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public IAsyncEnumerable<TResult> MapUnorderedAsync<T, TResult>(Func<T, CancellationToken, Task<TResult>> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        MapAsTheyCome<T, TResult>(function, MapSource.From(source), options, cancellationToken);

    /// <summary>Runs a function over every item of a source, for its effect, and ends when all have ended.</summary>
    /// <remarks>Lazy and bounded like <c>MapAsync</c>. The first failure stops the taking of items, cancels what still runs, and is thrown when that has ended.</remarks>
    /// <param name="function">The function; it may take a trailing <see cref="CancellationToken"/>.</param>
    /// <param name="source">The inputs. Enumerated once.</param>
    /// <param name="options">Timeout, grace and name of each call; null for the defaults.</param>
    /// <param name="cancellationToken">Cancels the whole.</param>
    /// <returns>A task that ends when every call has.</returns>
    public Task ForEachAsync<T>(Action<T> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        RunForEach<T>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="ForEachAsync{T}(Action{T}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public Task ForEachAsync<T>(Action<T> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        RunForEach<T>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="ForEachAsync{T}(Action{T}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public Task ForEachAsync<T>(Action<T, CancellationToken> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        RunForEach<T>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="ForEachAsync{T}(Action{T}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public Task ForEachAsync<T>(Action<T, CancellationToken> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        RunForEach<T>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="ForEachAsync{T}(Action{T}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public Task ForEachAsync<T>(Func<T, Task> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        RunForEach<T>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="ForEachAsync{T}(Action{T}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public Task ForEachAsync<T>(Func<T, Task> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        RunForEach<T>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="ForEachAsync{T}(Action{T}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public Task ForEachAsync<T>(Func<T, CancellationToken, Task> function, IEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        RunForEach<T>(function, MapSource.From(source), options, cancellationToken);

    /// <inheritdoc cref="ForEachAsync{T}(Action{T}, IEnumerable{T}, CallOptions?, CancellationToken)"/>
    public Task ForEachAsync<T>(Func<T, CancellationToken, Task> function, IAsyncEnumerable<T> source, CallOptions? options = null, CancellationToken cancellationToken = default) =>
        RunForEach<T>(function, MapSource.From(source), options, cancellationToken);
}
