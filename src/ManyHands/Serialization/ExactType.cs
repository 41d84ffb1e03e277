namespace ManyHands.Serialization;

/// <summary>Refuses values of a class derived from the declared one: what that class adds would be lost.</summary>
internal static class ExactType
{
    /// <summary>Null for types that nothing can derive from.</summary>
    public static ValueCheck<T>? Check<T>() => typeof(T).IsValueType || typeof(T).IsSealed ? null : Examine;

    private static Refusal? Examine<T>(in T value, int depth) =>
        value is null || value.GetType() == typeof(T) ? null : Derived(value.GetType(), typeof(T));

    private static Refusal Derived(Type actual, Type declared) => Refusal.Here(
        $"holds an object of type {ReadableName.Of(actual)} but is declared as {ReadableName.Of(declared)}, so what {ReadableName.Of(actual)} adds would be lost",
        IsOwn(declared)
            ? $"declare it as {ReadableName.Of(actual)}, or put [PolyType.DerivedTypeShape(typeof({ReadableName.Of(actual)}))] on {ReadableName.Of(declared)}"
            : $"declare it as {ReadableName.Of(actual)}, or send a {ReadableName.Of(declared)} with the same content");

    // Nobody can put an attribute on the framework's types.
    private static bool IsOwn(Type type) => type.Namespace is not { } space || (space != "System" && !space.StartsWith("System.", StringComparison.Ordinal));
}
