namespace ManyHands.Serialization;

/// <summary>Types as the user wrote them in C#, without namespaces: <c>Dictionary&lt;string, int[]&gt;</c>.</summary>
internal static class ReadableName
{
    private static readonly Dictionary<Type, string> Keywords = new()
    {
        [typeof(bool)] = "bool",
        [typeof(byte)] = "byte",
        [typeof(sbyte)] = "sbyte",
        [typeof(short)] = "short",
        [typeof(ushort)] = "ushort",
        [typeof(int)] = "int",
        [typeof(uint)] = "uint",
        [typeof(long)] = "long",
        [typeof(ulong)] = "ulong",
        [typeof(nint)] = "nint",
        [typeof(nuint)] = "nuint",
        [typeof(char)] = "char",
        [typeof(float)] = "float",
        [typeof(double)] = "double",
        [typeof(decimal)] = "decimal",
        [typeof(string)] = "string",
        [typeof(object)] = "object",
    };

    public static string Of(Type type)
    {
        if (Keywords.TryGetValue(type, out string? keyword))
            return keyword;
        if (type.IsArray)
            return OfArray(type);
        if (type.IsPointer || type.IsByRef)
            return Of(type.GetElementType()!) + (type.IsPointer ? "*" : "&");
        if (Nullable.GetUnderlyingType(type) is { } underlying)
            return Of(underlying) + "?";
        if (!type.IsGenericType)
            return type.Name;
        string arguments = string.Join(", ", OwnArguments(type).Select(Of));
        int tick = type.Name.IndexOf('`', StringComparison.Ordinal);
        string name = tick < 0 ? type.Name : type.Name[..tick];
        if (name.Contains("AnonymousType", StringComparison.Ordinal))
            return "anonymous type";
        return arguments.Length == 0 ? name : $"{name}<{arguments}>";
    }

    // C# writes the outer array's brackets first: int[][,] is an array of int[,].
    private static string OfArray(Type type)
    {
        string brackets = "";
        Type element = type;
        while (element.IsArray)
        {
            brackets += $"[{new string(',', element.GetArrayRank() - 1)}]";
            element = element.GetElementType()!;
        }

        return Of(element) + brackets;
    }

    // A type nested in a generic one repeats the outer one's arguments, which its name doesn't show.
    private static IEnumerable<Type> OwnArguments(Type type) =>
        type.GetGenericArguments().Skip(type.DeclaringType is { IsGenericType: true } outer ? outer.GetGenericArguments().Length : 0);
}
