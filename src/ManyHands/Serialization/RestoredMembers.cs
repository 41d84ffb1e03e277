using System.Reflection;
using System.Runtime.CompilerServices;
using PolyType.Abstractions;

namespace ManyHands.Serialization;

/// <summary>
/// Which members of an object the serializer both reads and puts back, and how. A property is put back through the constructor's
/// parameter or initializer of the same name, or else through its setter.
/// </summary>
internal sealed class RestoredMembers
{
    private readonly List<(IPropertyShape Property, IParameterShape? Parameter)> members = [];

    public RestoredMembers(IObjectTypeShape shape)
    {
        Constructor = shape.Constructor;
        IReadOnlyList<IParameterShape> parameters = Constructor?.Parameters ?? [];
        DifferInCaseOnly = parameters.Count > 0 && shape.Properties.DistinctBy(static property => property.Name, StringComparer.OrdinalIgnoreCase).Count() < shape.Properties.Count;
        Ambiguity = DifferInCaseOnly ? FindAmbiguity(shape) : null;
        UnmatchedParameter = parameters.FirstOrDefault(parameter => !shape.Properties.Any(property => property.HasGetter && Matches(property, parameter)));
        foreach (IPropertyShape property in shape.Properties)
        {
            IParameterShape? parameter = parameters.FirstOrDefault(candidate => candidate.Name == property.Name)
                ?? parameters.FirstOrDefault(candidate => Matches(property, candidate));
            if (!property.HasGetter || (parameter is null && (parameters.Count > 0 || !property.HasSetter)))
                continue;
            if (parameter is not null && parameter.ParameterType.Type != property.PropertyType.Type)
                Mismatch ??= (property, parameter);
            members.Add((property, parameter));
        }
    }

    public IConstructorShape? Constructor { get; }

    /// <summary>Whether members have names that a constructor's parameters, which are matched whatever their case, can't tell apart.</summary>
    public bool DifferInCaseOnly { get; }

    /// <summary>A parameter that has the exact name of no property, and more than one that it might mean.</summary>
    public (string Parameter, string One, string Other)? Ambiguity { get; }

    /// <summary>A parameter of the constructor that no property gives a value for.</summary>
    public IParameterShape? UnmatchedParameter { get; }

    /// <summary>A parameter and a property of one name that aren't of one type: what is written as one would be read as the other.</summary>
    public (IPropertyShape Property, IParameterShape Parameter)? Mismatch { get; }

    public IEnumerable<IPropertyShape> Properties => members.Select(static member => member.Property);

    /// <summary>Whether the field's content is among what is read and put back.</summary>
    public bool Carry(FieldInfo field)
    {
        if (FindProperty(field) is not { } behind)
            return members.Any(member => member.Property is { IsField: true, MemberInfo: { } carried } && IsSame(carried, field));
        MethodInfo? getter = behind.GetMethod;
        return getter is not null && members.Any(member => member.Property.MemberInfo is PropertyInfo { GetMethod: { } read } && IsSame(read, getter));
    }

    /// <summary>Whether putting back runs code of the type's own, which may change what it is given.</summary>
    public bool RunUserCode()
    {
        if (Constructor is { MethodBase: ConstructorInfo constructor } && !IsTrivial(constructor))
            return true;
        return members.Any(member => member.Property.MemberInfo is PropertyInfo property
            && (!IsGenerated(property.GetMethod) || (property.SetMethod is not null && !IsGenerated(property.SetMethod))));
    }

    /// <summary>The property that the compiler made the field for.</summary>
    public static PropertyInfo? FindProperty(FieldInfo field)
    {
        if (!field.Name.StartsWith('<'))
            return null;
        // <Name>k__BackingField, or <Name>i__Field in an anonymous type.
        int end = field.Name.IndexOf('>', StringComparison.Ordinal);
        bool isBacking = end > 0 && (field.Name.AsSpan(end) is ">k__BackingField" or ">i__Field");
        return isBacking
            ? field.DeclaringType!.GetProperty(field.Name[1..end], BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly)
            : null;
    }

    private bool IsTrivial(ConstructorInfo constructor)
    {
        List<IParameterShape> parameters = [.. Constructor!.Parameters.Where(static parameter => parameter.Kind == ParameterKind.MethodParameter)];
        // A constructor without parameters can only set what is overwritten afterwards.
        if (parameters.Count == 0)
            return true;
        if (PlainConstructor.FieldsByParameter(constructor) is not { } stored)
            return false;
        return parameters.All(parameter => stored.TryGetValue(parameter.Position, out FieldInfo? field)
            && members.Any(member => member.Parameter == parameter && member.Property.MemberInfo is { } target && Stores(field, target)));
    }

    private static (string Parameter, string One, string Other)? FindAmbiguity(IObjectTypeShape shape)
    {
        // The shape's parameters are called as the properties they were matched with.
        string[] parameters = [.. shape.Constructor?.MethodBase?.GetParameters().Select(static parameter => parameter.Name!) ?? []];
        string[] names = [.. shape.Properties.Select(static property => property.Name).Except(parameters)];
        foreach (string parameter in parameters.Except(shape.Properties.Select(static property => property.Name)))
        {
            if (Array.FindAll(names, name => string.Equals(name, parameter, StringComparison.OrdinalIgnoreCase)) is [string one, string other, ..])
                return (parameter, one, other);
        }

        return null;
    }

    private static bool Stores(FieldInfo field, MemberInfo member) =>
        member is FieldInfo ? IsSame(field, member) : FindProperty(field) is { } property && property.Name == member.Name;

    private static bool IsGenerated(MethodInfo? accessor) => accessor?.IsDefined(typeof(CompilerGeneratedAttribute), inherit: false) == true;

    private static bool IsSame(MemberInfo one, MemberInfo other) =>
        one.HasSameMetadataDefinitionAs(other) && one.DeclaringType == other.DeclaringType;

    private static bool Matches(IPropertyShape property, IParameterShape parameter) =>
        string.Equals(property.Name, parameter.Name, StringComparison.OrdinalIgnoreCase);
}
