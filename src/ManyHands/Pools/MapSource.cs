namespace ManyHands.Pools;

/// <summary>The inputs of a map, from either kind of sequence.</summary>
internal readonly struct MapSource<T>
{
    private readonly IEnumerable<T>? items;
    private readonly IAsyncEnumerable<T>? asyncItems;

    public MapSource(IEnumerable<T> items) => this.items = items;

    public MapSource(IAsyncEnumerable<T> items) => asyncItems = items;

    /// <summary>The items, if they come as a plain sequence; else <see cref="AsyncItems"/> are there.</summary>
    public IEnumerable<T>? Items => items;

    public IAsyncEnumerable<T>? AsyncItems => asyncItems;

    public async IAsyncEnumerable<T> ReadAsync([System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken token)
    {
        if (items is not null)
        {
            foreach (T item in items)
                yield return item;
            yield break;
        }

        await foreach (T item in asyncItems!.WithCancellation(token).ConfigureAwait(false))
            yield return item;
    }
}

internal static class MapSource
{
    public static MapSource<T> From<T>(IEnumerable<T> source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new(source);
    }

    public static MapSource<T> From<T>(IAsyncEnumerable<T> source)
    {
        ArgumentNullException.ThrowIfNull(source);
        return new(source);
    }
}
