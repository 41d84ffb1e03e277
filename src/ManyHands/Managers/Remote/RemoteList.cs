using System.Runtime.CompilerServices;
using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>A manager's list, as its users have it.</summary>
internal sealed class RemoteList<T>(ManagerLink link, string name) : RemoteObject(link, name, ObjectKind.List, ItemFormat<T>.TypeName), ISharedList<T>
{
    public long Count => ReadLong(Ask(Operation.Count, traits: RequestTraits.Repeatable));

    public T this[long index]
    {
        get => Get(index);
        set => Set(index, value);
    }

    public async ValueTask<long> CountAsync(CancellationToken cancellationToken = default) =>
        ReadLong(await AskAsync(Operation.Count, traits: RequestTraits.Repeatable, token: cancellationToken).ConfigureAwait(false));

    public T Get(long index, CancellationToken cancellationToken = default) => ReadItem(Ask(Operation.GetAt, Body(index), traits: RequestTraits.Repeatable, token: cancellationToken));

    public async ValueTask<T> GetAsync(long index, CancellationToken cancellationToken = default) =>
        ReadItem(await AskAsync(Operation.GetAt, Body(index), traits: RequestTraits.Repeatable, token: cancellationToken).ConfigureAwait(false));

    public void Set(long index, T item, CancellationToken cancellationToken = default) => Ask(Operation.SetAt, Body(index, item), token: cancellationToken);

    public async ValueTask SetAsync(long index, T item, CancellationToken cancellationToken = default) =>
        await AskAsync(Operation.SetAt, Body(index, item), token: cancellationToken).ConfigureAwait(false);

    public long Add(T item, CancellationToken cancellationToken = default) => ReadLong(Ask(Operation.Append, Body(null, item), token: cancellationToken));

    public async ValueTask<long> AddAsync(T item, CancellationToken cancellationToken = default) =>
        ReadLong(await AskAsync(Operation.Append, Body(null, item), token: cancellationToken).ConfigureAwait(false));

    public void Insert(long index, T item, CancellationToken cancellationToken = default) => Ask(Operation.InsertAt, Body(index, item), token: cancellationToken);

    public async ValueTask InsertAsync(long index, T item, CancellationToken cancellationToken = default) =>
        await AskAsync(Operation.InsertAt, Body(index, item), token: cancellationToken).ConfigureAwait(false);

    public T RemoveAt(long index, CancellationToken cancellationToken = default) => ReadItem(Ask(Operation.RemoveAt, Body(index), token: cancellationToken));

    public async ValueTask<T> RemoveAtAsync(long index, CancellationToken cancellationToken = default) =>
        ReadItem(await AskAsync(Operation.RemoveAt, Body(index), token: cancellationToken).ConfigureAwait(false));

    public T[] GetRange(long start, int count, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        List<T> items = [];
        while (true)
        {
            (long total, T[] page) = Page(Ask(Operation.Range, RangeBody(start + items.Count, count - items.Count), traits: RequestTraits.Repeatable, token: cancellationToken));
            items.AddRange(page);
            if (items.Count >= count || page.Length == 0 || start + items.Count >= total)
                return [.. items];
        }
    }

    public async ValueTask<T[]> GetRangeAsync(long start, int count, CancellationToken cancellationToken = default)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        List<T> items = [];
        while (true)
        {
            (long total, T[] page) =
                Page(await AskAsync(Operation.Range, RangeBody(start + items.Count, count - items.Count), traits: RequestTraits.Repeatable, token: cancellationToken).ConfigureAwait(false));
            items.AddRange(page);
            if (items.Count >= count || page.Length == 0 || start + items.Count >= total)
                return [.. items];
        }
    }

    public void Clear(CancellationToken cancellationToken = default) => Ask(Operation.Clear, token: cancellationToken);

    public async ValueTask ClearAsync(CancellationToken cancellationToken = default) => await AskAsync(Operation.Clear, token: cancellationToken).ConfigureAwait(false);

    public IEnumerable<T> GetItems(CancellationToken cancellationToken = default)
    {
        for (long next = 0, total = 1; next < total;)
        {
            T[] page;
            try
            {
                (total, page) = Page(Ask(Operation.Range, RangeBody(next, int.MaxValue), traits: RequestTraits.Repeatable, token: cancellationToken));
            }
            catch (ArgumentOutOfRangeException)
            {
                // It has become shorter than what was read of it.
                yield break;
            }

            next += page.Length;
            foreach (T item in page)
                yield return item;
        }
    }

    public async IAsyncEnumerable<T> GetItemsAsync([EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        for (long next = 0, total = 1; next < total;)
        {
            T[] page;
            try
            {
                (total, page) = Page(await AskAsync(Operation.Range, RangeBody(next, int.MaxValue), traits: RequestTraits.Repeatable, token: cancellationToken).ConfigureAwait(false));
            }
            catch (ArgumentOutOfRangeException)
            {
                // It has become shorter than what was read of it.
                yield break;
            }

            next += page.Length;
            foreach (T item in page)
                yield return item;
        }
    }

    private static byte[] Body(long index) => BitConverter.GetBytes(index);

    private static byte[] RangeBody(long start, int most) => [.. BitConverter.GetBytes(start), .. BitConverter.GetBytes(most)];

    private byte[] Body(long? index, T item)
    {
        using PayloadWriter body = new();
        if (index is { } place)
            body.WriteUnmanaged(place);
        Encode(body, item, "item");
        return body.WrittenSpan.ToArray();
    }

    private long ReadLong(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) => reader.ReadUnmanaged<long>());

    private T ReadItem(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) => Decode<T>(ref reader));

    private (long Total, T[] Items) Page(ReadOnlyMemory<byte> answer) => Read(answer, static (ref reader) =>
    {
        long total = reader.ReadUnmanaged<long>();
        T[] page = new T[reader.ReadCount(sizeof(int))];
        for (int i = 0; i < page.Length; i++)
            page[i] = Decode<T>(ref reader);
        return (total, page);
    });
}
