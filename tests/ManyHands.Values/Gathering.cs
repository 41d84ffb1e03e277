namespace ManyHands.Values;

/// <summary>What the generated expressions have in common.</summary>
public static class Gathering
{
    public static T[,] Grid<T>(Dice d, Func<T> make)
    {
        T[,] grid = new T[d.Below(3), d.Below(3)];
        for (int row = 0; row < grid.GetLength(0); row++)
        {
            for (int column = 0; column < grid.GetLength(1); column++)
                grid[row, column] = make();
        }

        return grid;
    }

    public static SortedDictionary<TKey, TValue> Sorted<TKey, TValue>(List<KeyValuePair<TKey, TValue>> pairs, IComparer<TKey>? comparer)
        where TKey : notnull
    {
        SortedDictionary<TKey, TValue> sorted = new(comparer);
        pairs.ForEach(pair => sorted.TryAdd(pair.Key, pair.Value));
        return sorted;
    }

    /// <summary>A set with holes where items were, some of them filled again.</summary>
    public static HashSet<T> Thin<T>(List<T> items, int odd)
    {
        HashSet<T> set = [.. items];
        if (items.Count > 1)
        {
            set.Remove(items[0]);
            if (odd % 2 == 1)
                set.Add(items[0]);
        }

        return set;
    }

    public static TList Fill<TList, T>(TList list, List<T> items)
        where TList : List<T>
    {
        list.AddRange(items);
        return list;
    }

    public static T Change<T>(Dice d, T value, params ReadOnlySpan<Action<T>> changes)
    {
        foreach (Action<T> change in changes)
        {
            if (d.Chance(70))
                change(value);
        }

        return value;
    }

    /// <summary>A collection whose items are changed after they were put in, mostly.</summary>
    public static TCollection Changed<T, TCollection>(Dice d, List<T> items, Func<List<T>, TCollection> collect, Action<T> change)
    {
        TCollection collection = collect(items);
        if (d.Chance(60))
            items.ForEach(change);
        return collection;
    }
}
